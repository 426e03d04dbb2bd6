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

enum { BUFFER = 32768, TRIES = 16 };

/* What is found: records of one size. */
struct found {
	char *list;
	size_t size; /* of one */
	size_t count;
	size_t room;
	int (*take)(const struct td_message *m, struct found *f);
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
take_names(const struct td_message *m, struct found *f)
{
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
take_index(const struct td_message *m, struct found *f)
{
	void *to = make_room(f, 1);

	if (to == NULL)
		return -ENOMEM;
	f->count++;
	return td_get_index(m, to);
}

/* Take the devices out of one datagram: 1 when the dump is over, 0 to go on. */
static int
take_devices(const unsigned char *at, size_t left, struct found *f, int *torn)
{
	struct td_message m;
	int error;

	while ((error = td_next_message(&at, &left, &m)) == 1) {
		*torn |= (m.flags & TD_NLM_F_DUMP_INTR) != 0;
		if (m.type == TD_NLMSG_DONE || m.type == TD_NLMSG_ERROR) {
			error = td_message_errno(&m);
			if (error == 0)
				return m.type == TD_NLMSG_DONE ? 1 : -EBADMSG;
			return error > 0 ? -error : -EBADMSG;
		}
		error = f->take(&m, f);
		if (error != 0)
			return error;
	}
	return error;
}

/* All devices in one walk: 0, or -EAGAIN when it may have left one out. */
static int
walk(int fd, const void *request, size_t size, unsigned char *buf,
    struct found *f, const char **step)
{
	size_t got = 0;
	int torn = 0, error = td_send(fd, request, size, step);

	f->count = 0;
	while (error == 0) {
		error = td_receive(fd, buf, BUFFER, &got, step);
		if (error == 0) {
			*step = "interfaces";
			error = take_devices(buf, got, f, &torn);
		}
	}
	if (error == 1)
		error = torn ? -EAGAIN : 0;
	return error;
}

/* The answer to this request; after an error nothing is left to be freed. */
static int
ask(int scope, const void *request, size_t size, struct found *f,
    const char **step)
{
	unsigned char *buf = malloc(BUFFER);
	int fd = -1, error, tries;

	*step = "malloc";
	error = buf == NULL || make_room(f, 16) == NULL ?
	    -ENOMEM :
	    td_open_route(scope, &fd, step);
	if (error == 0)
		for (tries = 0; tries < TRIES; tries++) {
			error = walk(fd, request, size, buf, f, step);
			if (error != -EAGAIN)
				break;
		}
	if (fd >= 0)
		close(fd);
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
