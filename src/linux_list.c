/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_list.c - dumping the socket table.  What is odd about this kernel:
 *
 * - A dump is not a snapshot: when others come and go it may repeat a socket
 *   (the cookie tells) or miss one, and no kernel yet says so (NLM_F_DUMP_INTR);
 *   one that does is asked again.
 * - One netlink socket carries one dump; several sockets dump in parallel.
 * - Nearly all of the time is the kernel's walk, done inside recv().
 *
 * sock_diag(7), net/ipv4/inet_diag.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Below this the reservation costs more than the pages. */
enum { HUGE_PAGE = 2 << 20, RESERVE_FROM = 2 * HUGE_PAGE };

struct dump {
	const struct td_query *query;
	struct td_range range;
	int fd;
	struct td_rows rows;
	int error;
	const char *step;
};

static int
take_row(void *arg, const struct td_message *m)
{
	struct td_rows *rows = arg;
	struct td_row *row;

	if (m->type != TD_TCPDIAG_GETSOCK)
		return -EPROTO;
	row = td_rows_add(rows);
	return row == NULL ? -ENOMEM :
			     td_get_row(m, row, td_rows_info(rows, row));
}

static int
dump(struct dump *d)
{
	size_t size = td_dump_size(d->query, d->range);
	/* A refusal carries the whole request back, behind 20 bytes. */
	size_t room = size + 20 > TD_BUFFER ? size + 20 : TD_BUFFER;
	struct td_dumping dumping = {d->fd, 1, NULL, room, take_row, &d->rows,
	    "dump"};
	int error;

	d->step = "bytecode";
	if (size == 0)
		return -E2BIG;
	d->step = "malloc";
	dumping.buf = malloc(room);
	if (dumping.buf == NULL)
		return -ENOMEM;
	td_put_dump(dumping.buf, 1, d->query, d->range);
	error = td_send(d->fd, dumping.buf, size, &d->step);
	if (error == 0)
		error = td_receive_dump(&dumping, &d->step);
	free(dumping.buf);
	return error;
}

int
td_dump(int fd, const struct td_query *query, struct td_rows *rows,
    const char **step)
{
	struct dump d = {.query = query, .range = td_range_part(0, 1), .fd = fd,
	    .rows = {.stride = rows->stride}};
	int error = dump(&d);

	*step = d.step;
	if (error == 0)
		error = td_rows_join(rows, &d.rows);
	td_rows_free(&d.rows);
	return error;
}

static void *
dump_thread(void *arg)
{
	struct dump *d = arg;

	d->error = dump(d);
	return NULL;
}

/* How many TCP sockets the thread's own namespace has, about; 0: unknown. */
static size_t
count_sockets(void)
{
	static const char *const files[] = {"/proc/thread-self/net/sockstat",
	    "/proc/thread-self/net/sockstat6"};
	long total = 0, used, orphans, waiting;
	char line[256];
	size_t i;

	for (i = 0; i < 2; i++) {
		FILE *f = fopen(files[i], "re");

		if (f == NULL)
			continue;
		while (fgets(line, sizeof(line), f) != NULL) {
			used = orphans = waiting = 0;
			if (sscanf(line, "TCP: inuse %ld orphan %ld tw %ld", &used,
				&orphans, &waiting) >= 1 ||
			    sscanf(line, "TCP6: inuse %ld", &used) == 1)
				total += used + orphans + waiting;
		}
		(void)fclose(f);
	}
	return total > 0 ? (size_t)total : 0;
}

/*
 * How many rows to expect; 0 where the kernel is asked for a small part of
 * them, and for another namespace, whose count cannot be read from here.
 */
static size_t
expected_rows(const struct td_query *query)
{
	if (query->program_size != 0 || query->sport != 0 || query->dport != 0 ||
	    (query->states & 1u << TD_STATE_ESTABLISHED) == 0 ||
	    query->scope != TD_OWN_SCOPE)
		return 0;
	return count_sockets();
}

/*
 * Room for many rows in huge pages.  Touching small ones for the first time
 * would cost as much as all the parsing.  It is address space, no memory: rows
 * that do not come touch nothing.  Without it the array grows as it must.
 */
static void
reserve(struct td_rows *rows, size_t n)
{
	size_t size = n * rows->stride;

	if (size < RESERVE_FROM || size / rows->stride != n)
		return;
	size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	rows->data = aligned_alloc(HUGE_PAGE, size);
	if (rows->data == NULL)
		return;
	rows->room = size / rows->stride;
	(void)madvise(rows->data, size, MADV_HUGEPAGE);
}

static int
list_once(const struct td_query *query, struct td_rows *rows, const char **step)
{
	struct dump dumps[TD_MAX_THREADS];
	size_t expected = expected_rows(query);
	/*
	 * Threads share the filling of replies, but each walks the whole table:
	 * where the kernel leaves most sockets out, two would walk for nothing.
	 */
	int n = td_choose_threads(query->threads, expected);
	int opened = 0, error = 0, k;

	memset(dumps, 0, sizeof(dumps));
	for (; opened < n; opened++) {
		struct dump *d = &dumps[opened];

		d->query = query;
		d->range = td_range_part(opened, n);
		d->rows.stride = rows->stride;
		error = td_open_diag(query->scope, &d->fd, step);
		if (error != 0)
			goto out;
		/* The first takes in the others' rows at the end, and no part is just as large as another. */
		reserve(&d->rows, opened == 0 ? expected + expected / 16 :
						expected / (size_t)n + expected / 16);
	}
	td_run_threads(dump_thread, dumps, sizeof(dumps[0]), n);
	for (k = 0; k < n && error == 0; k++) {
		error = dumps[k].error;
		*step = dumps[k].step;
	}
	for (k = 0; k < n && error == 0; k++) {
		*step = "merge";
		error = td_rows_join(rows, &dumps[k].rows);
	}
	if (error == 0)
		error = td_rows_unique(rows);
	if (error == 0)
		td_rows_trim(rows);
out:
	for (k = 0; k < opened; k++) {
		close(dumps[k].fd);
		td_rows_free(&dumps[k].rows);
	}
	return error;
}

int
td_list(const struct td_query *query, struct td_rows *rows, const char **step)
{
	struct td_clock clock = {0, 0, 0};
	int tries = TD_TRIES, error;

	if (query->details != 0)
		clock = td_clock_before();
	while ((error = list_once(query, rows, step)) == -EAGAIN && --tries > 0)
		td_rows_free(rows);
	if (error == 0 && query->details != 0)
		td_forget_never(rows, clock);
	if (error == 0 && query->details == TD_DETAIL_OPENERS)
		error = td_tell_openers(rows, query->scope, step);
	return error;
}
