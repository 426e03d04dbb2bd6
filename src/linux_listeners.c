/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_listeners.c - which sockets listen by now.  What is odd about this
 * kernel: a socket that was a connection may be disconnected and listen, with
 * the same cookie and often the same port.  SOCK_DESTROY finds no connection of
 * the old ends, falls through to that listener, and the cookie fits.
 *
 * So what drops many looks at the listeners again and again, and leaves those
 * out.  A look costs what the kernel's table costs to walk, mostly some 20 us,
 * and is believed for a multiple of that: so it takes its share of the time and
 * no more, however many listeners there are, and the moment in which a
 * connection can become one unseen is as short as that allows.
 *
 * net/ipv4/inet_hashtables.c, inet_lookup(); net/ipv4/inet_diag.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/*
 * A look takes about a sixtieth of the time.  One that takes long, with hundreds
 * of listeners, is believed for no longer than 4 ms, or with thousands for as
 * long as four of it: a fifth of the time.  benchmarks/listener_window.py.
 */
enum { SHARE = 64, LONGEST = 4000000, LEAST = 4 };

static int64_t
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Keep the cookies alone, ascending. */
static int
take_cookies(struct td_listeners *l, const struct td_rows *rows)
{
	size_t i;

	free(l->cookies);
	l->count = 0;
	l->cookies = malloc((rows->count + 1) * sizeof(*l->cookies));
	if (l->cookies == NULL)
		return -ENOMEM;
	for (i = 0; i < rows->count; i++)
		l->cookies[i] = td_rows_at(rows, i)->cookie;
	l->count = rows->count;
	qsort(l->cookies, l->count, sizeof(*l->cookies), by_number);
	return 0;
}

int
td_listeners_look(struct td_listeners *l, int fd, const char **step)
{
	static const struct td_query all = {.states = 1u << TD_STATE_LISTEN,
	    .scope = TD_OWN_SCOPE};
	struct td_rows rows = {.stride = sizeof(struct td_row)};
	int64_t now = nanoseconds(), took, most;
	int error;

	if (l->cookies != NULL && now < l->until)
		return 0;
	error = td_dump(fd, &all, &rows, step);
	if (error == 0)
		error = take_cookies(l, &rows);
	td_rows_free(&rows);
	took = nanoseconds() - now;
	most = took * LEAST > LONGEST ? took * LEAST : LONGEST;
	l->until = now + took + (took * SHARE < most ? took * SHARE : most);
	return error;
}

int
td_listeners_have(const struct td_listeners *l, uint64_t cookie)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->cookies[middle] == cookie)
			return 1;
		if (l->cookies[middle] < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

void
td_listeners_free(struct td_listeners *l)
{
	free(l->cookies);
	l->cookies = NULL;
	l->count = 0;
}
