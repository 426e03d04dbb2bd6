/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_unix.c - which UNIX sockets are connected to each other: what a relay
 * takes in by TCP it may hand on by one of these.  What is odd about this
 * kernel:
 *
 * - What a listener accepted has the listener's name, and the end of who
 *   connected mostly has none: so a name tells who came to whom.
 * - A socket is shown in the network namespace in which it was made, while its
 *   peer may be of another, whose inode is told all the same.
 *
 * unix(7), sock_diag(7), net/unix/diag.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/unix_diag.h>

enum { CONNECTED = 1 }; /* TCP_ESTABLISHED, which it borrows */

struct request {
	struct nlmsghdr header;
	struct unix_diag_req body;
};

struct list {
	struct td_unix *all;
	size_t count;
};

static int
add(struct list *l, const struct td_unix *one)
{
	struct td_unix *more;

	if ((l->count & (l->count - 1)) == 0) { /* 0 or a power of two: full */
		more = realloc(l->all,
		    (l->count != 0 ? 2 * l->count : 1) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		l->all = more;
	}
	l->all[l->count++] = *one;
	return 0;
}

static int
take_socket(void *arg, const struct td_message *m)
{
	struct td_unix one = {0};
	struct unix_diag_msg body;
	struct td_attribute a;
	const unsigned char *at = m->payload + sizeof(body);
	size_t left;
	int error;

	if (m->type != TD_SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	if (m->size < sizeof(body))
		return -EBADMSG;
	memcpy(&body, m->payload, sizeof(body));
	one.inode = body.udiag_ino;
	left = m->size - sizeof(body);
	while ((error = td_next_attribute(&at, &left, &a)) == 1) {
		if (a.type == UNIX_DIAG_PEER && a.size >= 4)
			one.peer = td_get32(a.data);
		else if (a.type == UNIX_DIAG_NAME && a.size > 0)
			one.named = 1;
	}
	return error < 0 ? error : one.peer != 0 ? add(arg, &one) : 0;
}

static int
dump(int scope, void *buf, struct list *l, const char **step)
{
	struct request request = {.header = {.nlmsg_len = sizeof(request),
				      .nlmsg_type = TD_SOCK_DIAG_BY_FAMILY,
				      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
				      .nlmsg_seq = 1},
	    .body = {.sdiag_family = AF_UNIX,
		.udiag_states = 1u << CONNECTED,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER}};
	struct td_dumping dumping = {-1, 1, buf, TD_BUFFER, take_socket, l,
	    "dump of UNIX sockets"};
	int error = td_open_diag(scope, &dumping.fd, step);

	if (error != 0)
		return error;
	error = td_send(dumping.fd, &request, sizeof(request), step);
	if (error == 0)
		error = td_receive_dump(&dumping, step);
	close(dumping.fd);
	return error;
}

int
td_unix_sockets(int scope, struct td_unix **all, size_t *n, const char **step)
{
	struct list l = {0};
	void *buf = malloc(TD_BUFFER);
	int tries = TD_TRIES, error = -ENOMEM;

	*step = "malloc";
	if (buf != NULL)
		do {
			free(l.all);
			l = (struct list){0};
			error = dump(scope, buf, &l, step);
		} while (error == -EAGAIN && --tries > 0);
	free(buf);
	*all = l.all;
	*n = l.count;
	return error;
}
