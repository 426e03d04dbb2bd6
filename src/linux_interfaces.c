/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_interfaces.c - the interfaces of a network namespace, by every name
 * that they have.  What is odd about this kernel: if_nameindex(3) and
 * /sys/class/net know one name of each only, and people type the others, by
 * which ip-link(8) finds them too.
 *
 * rtnetlink(7).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"
#include "rtnetlink.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER = 32768 };

struct found {
	struct td_interface *list;
	size_t count;
	size_t room;
};

/* Room for so many more. */
static int
make_room(struct found *f, size_t more)
{
	size_t room = 2 * (f->count + more);
	struct td_interface *list;

	if (f->count + more <= f->room)
		return 0;
	list = realloc(f->list, room * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	f->list = list;
	f->room = room;
	return 0;
}

/* Take the devices out of one datagram: 1 when the dump is over, 0 to go on. */
static int
take_devices(const unsigned char *at, size_t left, struct found *f)
{
	struct td_message m;
	int error, n;

	while ((error = td_next_message(&at, &left, &m)) == 1) {
		if (m.type == TD_NLMSG_DONE)
			return 1;
		if (m.type == TD_NLMSG_ERROR) {
			error = td_message_errno(&m);
			return error > 0 ? -error : -EBADMSG;
		}
		n = td_get_names(&m, NULL, 0);
		error = n < 0 ? n : make_room(f, (size_t)n);
		if (error != 0)
			return error;
		(void)td_get_names(&m, f->list + f->count, (size_t)n);
		f->count += (size_t)n;
	}
	return error;
}

int
td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step)
{
	struct found f = {calloc(16, sizeof(**list)), 0, 16};
	unsigned char request[TD_LINK_SIZE], *buf = malloc(BUFFER);
	size_t got = 0;
	int fd = -1, error = 0;

	*step = "malloc";
	if (buf == NULL || f.list == NULL)
		error = -ENOMEM;
	if (error == 0)
		error = td_open_route(scope, &fd, step);
	if (error == 0) {
		td_put_links(request, 1);
		error = td_send(fd, request, sizeof(request), step);
	}
	while (error == 0) {
		error = td_receive(fd, buf, BUFFER, &got, step);
		if (error == 0) {
			*step = "interfaces";
			error = take_devices(buf, got, &f);
		}
	}
	if (fd >= 0)
		close(fd);
	free(buf);
	if (error != 1) {
		free(f.list);
		return error;
	}
	*list = f.list;
	*n = f.count;
	return 0;
}
