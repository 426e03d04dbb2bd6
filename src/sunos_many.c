/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos_many.c - aborting many rows of a listing.  The kernel could do it in
 * one request with wildcards, and would then take what fits, not what was
 * chosen.  So: one walk to see that each row is still the same connection, an
 * index over it, and one exact request a row.  Dying is queued: whether all of
 * them are gone the caller sees in a walk of its own.
 *
 * One request a row, never two: the second would find a socket that the first
 * has closed and its program has connected anew, and the kernel, which looks at
 * the state only, would end that connection.
 */
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1 /* the inet headers need it in strict modes */
#endif
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sunos.h"

/* Row numbers of a walk by tuple, half full at most. */
struct index {
	const struct td_rows *rows;
	uint32_t *slots; /* row number + 1; 0: free */
	size_t mask;
	unsigned char *asked; /* by row number: its death is queued */
};

static size_t
hash_row(const struct td_row *row)
{
	uint64_t words[4], h = (uint64_t)row->lport << 16 | row->rport;
	size_t i;

	memcpy(words, row->laddr, 16);
	memcpy(words + 2, row->raddr, 16);
	for (i = 0; i < 4; i++) {
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (size_t)h;
}

static int
same_tuple(const struct td_row *a, const struct td_row *b)
{
	return a->lport == b->lport && a->rport == b->rport &&
	    a->family == b->family &&
	    memcmp(a->laddr, b->laddr, sizeof(a->laddr)) == 0 &&
	    memcmp(a->raddr, b->raddr, sizeof(a->raddr)) == 0;
}

static int
build_index(struct index *x, const struct td_rows *rows)
{
	size_t slots = 64, i, at;

	x->rows = rows;
	if (rows->count >= UINT32_MAX / 2)
		return -ENOMEM;
	while (slots < 2 * rows->count)
		slots *= 2;
	x->mask = slots - 1;
	x->slots = calloc(slots, sizeof(*x->slots));
	x->asked = calloc(rows->count + 1, 1);
	if (x->slots == NULL || x->asked == NULL)
		return -ENOMEM;
	for (i = 0; i < rows->count; i++) {
		at = hash_row(td_rows_at(rows, i)) & x->mask;
		while (x->slots[at] != 0)
			at = (at + 1) & x->mask;
		x->slots[at] = (uint32_t)i + 1;
	}
	return 0;
}

/* Its number when the walk has the very socket of this row, and it alone. */
static int
confirm_row(const struct index *x, const struct td_row *row, uint32_t *number)
{
	size_t at = hash_row(row) & x->mask, hits = 0, same = 0;

	for (; x->slots[at] != 0; at = (at + 1) & x->mask) {
		const struct td_row *seen = td_rows_at(x->rows, x->slots[at] - 1);

		if (!same_tuple(seen, row))
			continue;
		hits++;
		same += seen->cookie == row->cookie &&
		    seen->ifindex == row->ifindex;
		*number = x->slots[at] - 1;
	}
	if (same == 0)
		return -ENOENT;
	return hits > 1 ? -ENOTUNIQ : 0;
}

static int
abort_row(int fd, const struct index *x, const struct td_row *row)
{
	struct td_tuple tuple;
	const char *step;
	uint32_t number = 0;
	int error;

	if (!td_row_is_connection(row))
		return -ENOENT;
	error = confirm_row(x, row, &number);
	if (error != 0 || x->asked[number])
		return error;
	memset(&tuple, 0, sizeof(tuple));
	tuple.family = row->family;
	memcpy(tuple.laddr, row->laddr, sizeof(tuple.laddr));
	memcpy(tuple.raddr, row->raddr, sizeof(tuple.raddr));
	tuple.lport = row->lport;
	tuple.rport = row->rport;
	error = td_sun_request(fd, &tuple, TD_SUN_GLOBAL_ZONE, &step);
	x->asked[number] = error == 0;
	return error;
}

int
td_abort_rows(const struct td_rows *rows, const uint32_t *indices, size_t n,
    int *errors, int scope, int threads, const char **step)
{
	struct index x = {NULL, NULL, 0, NULL};
	struct td_rows seen;
	int32_t zone;
	size_t i;
	int fd = -1, error = td_sun_zone(scope, &zone, step);

	(void)threads; /* the kernel hands all of them to the same queues */
	if (error == 0 && zone != TD_SUN_GLOBAL_ZONE)
		error = -ENOTSUP; /* the rows are our own zone's */
	if (error != 0)
		return error;
	error = td_sun_connections(&seen, step);
	if (error == 0)
		error = build_index(&x, &seen);
	if (error == 0) {
		*step = "/dev/tcp";
		fd = td_sun_open("/dev/tcp", O_RDONLY);
		error = fd < 0 ? fd : 0;
	}
	for (i = 0; error == 0 && i < n; i++)
		errors[i] = -abort_row(fd, &x, td_rows_at(rows, indices[i]));
	if (fd >= 0)
		close(fd);
	free(x.slots);
	free(x.asked);
	td_rows_free(&seen);
	return error;
}
