/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux.c - the sock_diag conversation.  What is odd about this kernel:
 *
 * - An exact request for a four-tuple that no longer exists falls through to
 *   the *listener* of its local port, and SOCK_DESTROY without a cookie then
 *   closes that listener and reports success.  So a destroy here always
 *   carries the cookie of a socket whose ends and state were seen before.
 * - A netlink socket belongs to the network namespace of the thread that
 *   opened it, for good; the right to destroy is asked of the thread that
 *   sends.  So only the opening moves into a namespace, in a short thread of
 *   its own: if coming back failed, the caller's thread would be lost there.
 *
 * sock_diag(7), net/ipv4/inet_diag.c, net/ipv4/inet_hashtables.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend.h"
#include "linux.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#define SAME(ours, theirs) \
	_Static_assert((long)(ours) == (long)(theirs), #ours " is not " #theirs)
SAME(TD_TCPDIAG_GETSOCK, TCPDIAG_GETSOCK);
SAME(TD_SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY);
SAME(TD_SOCK_DESTROY, SOCK_DESTROY);
SAME(TD_NLMSG_ERROR, NLMSG_ERROR);
SAME(TD_NLMSG_DONE, NLMSG_DONE);
SAME(TD_NLM_F_DUMP, NLM_F_DUMP);
SAME(TD_DUMP_HEADER, NLMSG_HDRLEN + sizeof(struct inet_diag_req));
SAME(TD_EXACT_SIZE, NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2));
SAME(72, sizeof(struct inet_diag_msg));
SAME(TD_STATE_LISTEN, TCP_LISTEN);
SAME(TD_STATE_CLOSING, TCP_CLOSING);

const char td_backend[] = "linux";

/* ---- sockets, also in another namespace --------------------------------- */

struct opening {
	int scope;
	int family; /* AF_NETLINK, or another for td_interfaces() */
	int fd;
	int error;
	const char *step;
	struct td_interface *interfaces; /* wanted by td_interfaces() only */
	size_t count;
};

static int
read_interfaces(struct opening *o)
{
	struct if_nameindex *all = if_nameindex(), *one;
	size_t n = 0;

	o->step = "if_nameindex";
	if (all == NULL)
		return -errno;
	for (one = all; one->if_index != 0; one++)
		n++;
	o->interfaces = calloc(n + 1, sizeof(*o->interfaces));
	if (o->interfaces == NULL) {
		if_freenameindex(all);
		return -ENOMEM;
	}
	for (one = all; one->if_index != 0; one++) {
		struct td_interface *to = &o->interfaces[o->count++];

		to->index = one->if_index;
		snprintf(to->name, sizeof(to->name), "%s", one->if_name);
	}
	if_freenameindex(all);
	return 0;
}

static void
open_here(struct opening *o)
{
	if (o->family != AF_NETLINK) {
		o->error = read_interfaces(o);
		return;
	}
	o->step = "socket";
	o->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (o->fd < 0)
		o->error = -errno;
}

static void *
open_there(void *arg)
{
	struct opening *o = arg;

	o->step = "setns";
	if (setns(o->scope, CLONE_NEWNET) != 0)
		o->error = -errno;
	else
		open_here(o);
	return NULL;
}

/* Do what `o` asks in its scope; this thread stays where it is. */
static int
open_in_scope(struct opening *o, const char **step)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	o->fd = -1;
	if (o->scope == TD_OWN_SCOPE) {
		open_here(o);
	} else {
		/* No signal of the program's may be delivered in there. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&thread, NULL, open_there, o);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (error != 0) {
			*step = "pthread_create";
			return -error;
		}
		pthread_join(thread, NULL);
	}
	*step = o->step;
	return o->error;
}

int
td_open_diag(int scope, int *fd, const char **step)
{
	struct opening o = {.scope = scope, .family = AF_NETLINK};
	int error = open_in_scope(&o, step);

	*fd = o.fd;
	return error;
}

int
td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step)
{
	struct opening o = {.scope = scope, .family = AF_UNSPEC};
	int error = open_in_scope(&o, step);

	*list = o.interfaces;
	*n = o.count;
	return error;
}

/* ---- talking ------------------------------------------------------------ */

int
td_send(int fd, const void *buf, size_t size, const char **step)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent = sendto(fd, buf, size, 0, (const struct sockaddr *)&kernel,
	    sizeof(kernel));

	*step = "sendto";
	if (sent < 0)
		return -errno;
	return (size_t)sent == size ? 0 : -EMSGSIZE;
}

int
td_receive(int fd, void *buf, size_t size, size_t *got, const char **step)
{
	struct sockaddr_nl from;
	socklen_t length = sizeof(from);
	ssize_t n = recvfrom(fd, buf, size, MSG_TRUNC, (struct sockaddr *)&from,
	    &length);

	*step = "recvfrom";
	if (n < 0)
		return -errno;
	if (length != sizeof(from) || from.nl_pid != 0)
		return -EPROTO;
	if ((size_t)n > size)
		return -EMSGSIZE;
	*got = (size_t)n;
	return 0;
}

/* The one reply to a request that is not a dump. */
static int
receive_one(int fd, void *buf, size_t size, uint32_t seq,
    struct td_message *m, const char **step)
{
	const unsigned char *at = buf;
	size_t left = 0;
	int error;

	do /* the request is carried out by now: only the answer is awaited */
		error = td_receive(fd, buf, size, &left, step);
	while (error == -EINTR);
	if (error != 0)
		return error;
	error = td_next_message(&at, &left, m);
	if (error < 0)
		return error;
	return error == 1 && m->seq == seq ? 0 : -EPROTO;
}

static int
lookup(int fd, const struct td_tuple *tuple, struct td_row *row,
    const char **step)
{
	unsigned char request[TD_EXACT_SIZE], reply[4096];
	struct td_message m;
	int error;

	td_put_lookup(request, 1, tuple);
	error = td_send(fd, request, sizeof(request), step);
	if (error == 0)
		error = receive_one(fd, reply, sizeof(reply), 1, &m, step);
	if (error != 0)
		return error;
	*step = "look-up";
	if (m.type == TD_NLMSG_ERROR) {
		error = td_message_errno(&m);
		return error > 0 ? -error : -EPROTO;
	}
	if (m.type != TD_SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	memset(row, 0, sizeof(*row));
	error = td_get_row(&m, row, NULL);
	if (error != 0)
		return error;
	/* What came back may be the listener of our local port. */
	if (row->state == TD_STATE_LISTEN || !td_same_ends(tuple, row))
		return -ENOENT;
	if (tuple->ifindex != 0 && row->ifindex != 0 &&
	    row->ifindex != tuple->ifindex)
		return -ENOENT;
	if (tuple->cookie != 0 && row->cookie != tuple->cookie)
		return -ENOENT;
	return 0;
}

int
td_lookup(const struct td_tuple *tuple, int scope, struct td_row *row,
    const char **step)
{
	int fd, error;

	error = td_open_diag(scope, &fd, step);
	if (error != 0)
		return error;
	error = lookup(fd, tuple, row, step);
	close(fd);
	return error;
}

static int
destroy(int fd, const struct td_row *row, const char **step)
{
	unsigned char request[TD_EXACT_SIZE], reply[4096];
	struct td_message m;
	int error;

	/* Without an identity the kernel would choose for us. */
	if (row->cookie == 0 || row->cookie == UINT64_MAX) {
		*step = "cookie";
		return -EPROTO;
	}
	td_put_destroy(request, 2, row, 1);
	error = td_send(fd, request, sizeof(request), step);
	if (error == 0)
		error = receive_one(fd, reply, sizeof(reply), 2, &m, step);
	if (error != 0)
		return error;
	*step = "destroy";
	if (m.type != TD_NLMSG_ERROR)
		return -EPROTO;
	error = td_message_errno(&m);
	return error >= 0 ? -error : -EPROTO;
}

int
td_abort(const struct td_tuple *tuple, int scope, const char **step)
{
	struct td_row row;
	int fd, error;

	error = td_open_diag(scope, &fd, step);
	if (error != 0)
		return error;
	error = lookup(fd, tuple, &row, step);
	/* The kernel would end one subflow, and call that success. */
	if (error == 0 && row.flags & TD_ROW_MPTCP) {
		*step = "mptcp";
		error = -EOPNOTSUPP;
	}
	if (error == 0)
		error = destroy(fd, &row, step);
	close(fd);
	return error;
}

int
td_probe(int scope, const char **step)
{
	/*
	 * Cookie 0 fits no socket, so this finds nothing even where port 1
	 * listens: ENOENT is the answer of a kernel that can.
	 */
	static const struct td_row nobody = {.family = 4, .laddr = {127, 0, 0, 1},
	    .raddr = {127, 0, 0, 1}, .lport = 1, .rport = 2};
	unsigned char request[TD_EXACT_SIZE], reply[4096];
	struct td_message m;
	int fd, error;

	error = td_open_diag(scope, &fd, step);
	if (error != 0)
		return error;
	td_put_destroy(request, 2, &nobody, 1);
	error = td_send(fd, request, sizeof(request), step);
	if (error == 0)
		error = receive_one(fd, reply, sizeof(reply), 2, &m, step);
	if (error == 0) {
		*step = "destroy";
		error = m.type == TD_NLMSG_ERROR ? td_message_errno(&m) : -EPROTO;
		if (error > 0)
			error = error == ENOENT ? 0 : -error;
	}
	close(fd);
	return error;
}
