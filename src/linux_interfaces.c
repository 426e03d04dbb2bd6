/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_interfaces.c - the interfaces of a network namespace: by every name
 * that they have, or their indices alone.  What is odd about this kernel:
 *
 * - if_nameindex(3) and /sys/class/net know one name of each only, and people
 *   type the others, by which ip-link(8) finds them too.
 * - While devices come and go a walk over them may leave one out, and then the
 *   kernel marks its messages: it is walked again.
 *
 * rtnetlink(7), netlink(7).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"
#include "rtnetlink.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* What is found: records of one size. */
struct found {
	char *list;
	size_t size; /* of one */
	size_t count;
	size_t room;
	int (*take)(void *found, const struct td_message *m);
};

/* Room for so many more: where they go, or NULL. */
static void *
make_room(struct found *f, size_t more)
{
	size_t room = 2 * (f->count + more);
	char *list;

	if (f->list == NULL || f->count + more > f->room) {
		list = realloc(f->list, room * f->size);
		if (list == NULL)
			return NULL;
		f->list = list;
		f->room = room;
	}
	return f->list + f->count * f->size;
}

static int
take_names(void *arg, const struct td_message *m)
{
	struct found *f = arg;
	int n = td_get_names(m, NULL, 0);
	void *to;

	if (n < 0)
		return n;
	to = make_room(f, (size_t)n + 1);
	if (to == NULL)
		return -ENOMEM;
	f->count += (size_t)n;
	return td_get_names(m, to, (size_t)n) < 0 ? -EBADMSG : 0;
}

static int
take_index(void *arg, const struct td_message *m)
{
	struct found *f = arg;
	void *to = make_room(f, 1);

	if (to == NULL)
		return -ENOMEM;
	f->count++;
	return td_get_index(m, to);
}

/* All devices in one walk. */
static int
walk(int scope, const void *request, size_t size, void *buf, struct found *f,
    const char **step)
{
	struct td_dumping dumping = {-1, 1, buf, TD_BUFFER, f->take, f,
	    "interfaces"};
	int error = td_open_route(scope, &dumping.fd, step);

	if (error != 0)
		return error;
	f->count = 0;
	error = td_send(dumping.fd, request, size, step);
	if (error == 0)
		error = td_receive_dump(&dumping, step);
	close(dumping.fd);
	return error;
}

/* The answer to this request; after an error nothing is left to be freed. */
static int
ask(int scope, const void *request, size_t size, struct found *f,
    const char **step)
{
	void *buf = malloc(TD_BUFFER);
	int tries = TD_TRIES, error = -ENOMEM;

	*step = "malloc";
	if (buf != NULL && make_room(f, 16) != NULL)
		do
			error = walk(scope, request, size, buf, f, step);
		while (error == -EAGAIN && --tries > 0);
	free(buf);
	if (error != 0) {
		free(f->list);
		f->list = NULL;
	}
	return error;
}

int
td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step)
{
	struct found f = {.size = sizeof(**list), .take = take_names};
	unsigned char request[TD_LINK_SIZE];
	int error;

	td_put_links(request, 1);
	error = ask(scope, request, sizeof(request), &f, step);
	*list = (void *)f.list;
	*n = f.count;
	return error;
}

int
td_ifindices(int scope, uint32_t **list, size_t *n, const char **step)
{
	struct found f = {.size = sizeof(**list), .take = take_index};
	unsigned char request[TD_LINK_SIZE];
	int error;

	td_put_stats(request, 1);
	error = ask(scope, request, TD_STATS_SIZE, &f, step);
	if (error == -EOPNOTSUPP || error == -EINVAL) { /* an older kernel */
		td_put_links(request, 1);
		error = ask(scope, request, TD_LINK_SIZE, &f, step);
	}
	*list = (void *)f.list;
	*n = f.count;
	return error;
}
