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

enum { BUFFER = 32768, CONNECTED = 1 }; /* TCP_ESTABLISHED, which it borrows */

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
take_socket(const struct td_message *m, struct list *l)
{
	struct td_unix one = {0};
	struct unix_diag_msg body;
	struct td_attribute a;
	const unsigned char *at = m->payload + sizeof(body);
	size_t left;
	int error;

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
	return error < 0 ? error : one.peer != 0 ? add(l, &one) : 0;
}

/* Take the sockets out of one datagram: 1 when the dump is over, 0 to go on. */
static int
take(const unsigned char *at, size_t left, struct list *l)
{
	struct td_message m;
	int error;

	while ((error = td_next_message(&at, &left, &m)) == 1) {
		if (m.type == TD_NLMSG_DONE && m.size < 4)
			return 1;
		if (m.type == TD_NLMSG_DONE || m.type == TD_NLMSG_ERROR) {
			error = td_message_errno(&m);
			return error > 0 ? -error : error < 0 ? error : 1;
		}
		if (m.type != TD_SOCK_DIAG_BY_FAMILY)
			return -EPROTO;
		error = take_socket(&m, l);
		if (error != 0)
			return error;
	}
	return error;
}

static int
dump(int fd, struct list *l, const char **step)
{
	struct request request = {.header = {.nlmsg_len = sizeof(request),
				      .nlmsg_type = TD_SOCK_DIAG_BY_FAMILY,
				      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .body = {.sdiag_family = AF_UNIX,
		.udiag_states = 1u << CONNECTED,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER}};
	unsigned char *buf = malloc(BUFFER);
	size_t got = 0;
	int error;

	*step = "malloc";
	if (buf == NULL)
		return -ENOMEM;
	error = td_send(fd, &request, sizeof(request), step);
	while (error == 0) {
		error = td_receive(fd, buf, BUFFER, &got, step);
		if (error == 0) {
			*step = "dump of UNIX sockets";
			error = take(buf, got, l);
		}
	}
	free(buf);
	return error == 1 ? 0 : error;
}

int
td_unix_sockets(int scope, struct td_unix **all, size_t *n, const char **step)
{
	struct list l = {0};
	int fd, error = td_open_diag(scope, &fd, step);

	if (error != 0)
		return error;
	error = dump(fd, &l, step);
	close(fd);
	*all = l.all;
	*n = l.count;
	return error;
}
