/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_rows.c - the growing array: add, join, unique, trim, a million rows, and
 * no memory at each place.  Linked with --wrap for that.
 */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* What the files under test get for realloc() and calloc(). */
void *__real_realloc(void *at, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int exhausted;

void *
__wrap_realloc(void *at, size_t size)
{
	return exhausted ? NULL : __real_realloc(at, size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return exhausted ? NULL : __real_calloc(n, size);
}

static const size_t strides[] = {sizeof(struct td_row),
    sizeof(struct td_row) + sizeof(struct td_info)};

static struct td_rows
filled(size_t stride, const uint64_t *cookies, size_t n)
{
	struct td_rows rows = {.stride = stride};
	size_t i;

	for (i = 0; i < n; i++) {
		struct td_row *row = td_rows_add(&rows);

		CHECK(row != NULL);
		row->cookie = cookies[i];
		row->inode = i;
	}
	return rows;
}

static void
test_add(size_t stride)
{
	struct td_rows rows = {.stride = stride};
	unsigned char zeroes[256] = {0};
	struct td_row *row;
	struct td_info *info;
	size_t i;

	for (i = 0; i < 1000; i++) {
		row = td_rows_add(&rows);
		CHECK(row != NULL && memcmp(row, zeroes, stride) == 0);
		memset(row, 0xee, stride); /* the next must come zeroed all the same */
		row->inode = i;
	}
	CHECK(rows.count == 1000 && rows.room >= 1000);
	for (i = 0; i < 1000; i++)
		CHECK(td_rows_at(&rows, i)->inode == i);
	td_rows_drop_last(&rows);
	CHECK(rows.count == 999);
	row = td_rows_add(&rows);
	CHECK(row == td_rows_at(&rows, 999) && memcmp(row, zeroes, stride) == 0);
	info = td_rows_info(&rows, row);
	CHECK((info != NULL) == (stride == strides[1]));
	CHECK(info == NULL || (unsigned char *)info == (unsigned char *)row + sizeof(struct td_row));
	td_rows_free(&rows);
	CHECK(rows.data == NULL && rows.count == 0 && rows.room == 0);
	td_rows_free(&rows); /* twice is once */
}

static void
test_join(size_t stride)
{
	static const uint64_t a[] = {1, 2, 3}, b[] = {4, 5};
	struct td_rows to = {.stride = stride}, none = {.stride = stride};
	struct td_rows from = filled(stride, a, 3);
	size_t i;

	CHECK(td_rows_join(&to, &none) == 0 && to.count == 0);
	CHECK(td_rows_join(&to, &from) == 0 && to.count == 3);
	CHECK(from.data == NULL && from.count == 0 && from.stride == stride);
	CHECK(td_rows_join(&to, &none) == 0 && to.count == 3);
	from = filled(stride, b, 2);
	CHECK(td_rows_join(&to, &from) == 0 && to.count == 5);
	CHECK(from.data == NULL && to.stride == stride);
	for (i = 0; i < 5; i++)
		CHECK(td_rows_at(&to, i)->cookie == i + 1);
	td_rows_free(&to);
}

static void
test_unique(size_t stride)
{
	static const uint64_t some[] = {7, 7, 0, 9, 0, 7, UINT64_MAX, 9, UINT64_MAX, 8};
	static const uint64_t want[] = {7, 0, 9, 0, UINT64_MAX, 8};
	static const uint64_t first[] = {0, 2, 3, 4, 6, 9}; /* the first is kept */
	struct td_rows rows = filled(stride, some, 10), none = {.stride = stride};
	size_t i;

	CHECK(td_rows_unique(&none) == 0);
	CHECK(td_rows_unique(&rows) == 0 && rows.count == 6);
	for (i = 0; i < 6; i++)
		CHECK(td_rows_at(&rows, i)->cookie == want[i] &&
		    td_rows_at(&rows, i)->inode == first[i]);
	td_rows_trim(&rows);
	td_rows_trim(&rows); /* twice is once */
	CHECK(rows.room == 6 && td_rows_at(&rows, 5)->cookie == 8);
	rows.count = 0;
	td_rows_trim(&rows);
	CHECK(rows.data == NULL && rows.room == 0);
	td_rows_trim(&rows);
}

/* A socket without a cookie is nobody's double, not even of one in its place. */
static void
test_no_cookie_in_a_taken_place(size_t stride)
{
	uint64_t cookies[] = {1, 0, 0, 1};
	struct td_rows rows;
	size_t i;

	/* The inverse of the hash's factor: its product is 1, its place the first. */
	for (i = 0; i < 6; i++)
		cookies[0] *= 2 - 0x9e3779b97f4a7c15u * cookies[0];
	CHECK(cookies[0] * 0x9e3779b97f4a7c15u == 1);
	cookies[3] = cookies[0];
	rows = filled(stride, cookies, 4);
	CHECK(td_rows_unique(&rows) == 0 && rows.count == 3);
	CHECK(td_rows_at(&rows, 0)->cookie == cookies[0]);
	CHECK(td_rows_at(&rows, 1)->cookie == 0 && td_rows_at(&rows, 2)->cookie == 0);
	td_rows_free(&rows);
}

/* Each says so, and keeps what it had. */
static void
test_no_memory(size_t stride)
{
	static const uint64_t a[] = {1, 2, 3, 2}, b[] = {4};
	struct td_rows none = {.stride = stride}, rows = filled(stride, a, 4);
	struct td_rows other = filled(stride, b, 1);
	struct td_row row = {.cookie = 4};
	size_t i;

	exhausted = 1;
	CHECK(td_rows_add(&none) == NULL && none.data == NULL && none.room == 0);
	CHECK(td_rows_append(&none, &row) == -ENOMEM && none.count == 0);
	CHECK(td_rows_unique(&rows) == -ENOMEM && rows.count == 4);
	td_rows_trim(&rows);
	CHECK(rows.room > rows.count);
	exhausted = 0;
	td_rows_trim(&rows);
	exhausted = 1;
	CHECK(td_rows_join(&rows, &other) == -ENOMEM);
	exhausted = 0;
	CHECK(rows.count == 4 && other.count == 1 && td_rows_at(&other, 0)->cookie == 4);
	CHECK(td_rows_join(&rows, &other) == 0 && rows.count == 5);
	CHECK(td_rows_append(&rows, &row) == 0 && rows.count == 6);
	CHECK(td_rows_unique(&rows) == 0 && rows.count == 4);
	for (i = 0; i < 4; i++)
		CHECK(td_rows_at(&rows, i)->cookie == i + 1);
	td_rows_free(&rows);
}

/* Cookies as the kernel gives them, and as nobody would: all must be told apart. */
static void
test_million(size_t stride, int shift)
{
	enum { N = 1000000, TWICE = 1000 };
	struct td_rows rows = {.stride = stride};
	struct td_row *row;
	size_t i;

	for (i = 0; i < N + TWICE; i++) {
		row = td_rows_add(&rows);
		CHECK(row != NULL);
		row->cookie = (uint64_t)(i % N + 1) << shift;
	}
	CHECK(rows.room < 2 * (N + TWICE) + 64);
	CHECK(td_rows_unique(&rows) == 0 && rows.count == N);
	td_rows_trim(&rows);
	CHECK(rows.room == N); /* a million rows cost just their own size */
	for (i = 0; i < N; i++)
		CHECK(td_rows_at(&rows, i)->cookie == (uint64_t)(i + 1) << shift);
	td_rows_free(&rows);
}

static void
test_too_much(void)
{
	struct td_rows rows = {.stride = sizeof(struct td_row)};

	CHECK(td_rows_add(&rows) != NULL);
	rows.room = rows.count = SIZE_MAX / 64;
	CHECK(td_rows_add(&rows) == NULL); /* the size would wrap */
	rows.count = UINT32_MAX / 2;
	CHECK(td_rows_unique(&rows) == -ENOMEM); /* their numbers would not fit */
	rows.count = 1;
	td_rows_free(&rows);
}

int
main(void)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		test_add(strides[i]);
		test_join(strides[i]);
		test_unique(strides[i]);
		test_no_cookie_in_a_taken_place(strides[i]);
		test_no_memory(strides[i]);
	}
	test_million(strides[0], 0);
	test_million(strides[0], 12);
	test_million(strides[1], 0);
	test_too_much();
	puts("test_rows: ok");
	return 0;
}
