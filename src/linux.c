/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux.c - the sock_diag conversation.  What is odd about this kernel:
 *
 * - An exact request for a four-tuple that no longer exists falls through to
 *   the *listener* of its local port, and SOCK_DESTROY without a cookie then
 *   closes that listener and reports success.  So a destroy here always
 *   carries the cookie of a socket whose ends and state were seen before.
 * - The right to destroy is asked of the thread that sends, not of the one
 *   that opened the socket.
 *
 * sock_diag(7), net/ipv4/inet_diag.c, net/ipv4/inet_hashtables.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend.h"
#include "linux.h"

#include <errno.h>
#include <netinet/tcp.h>
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
SAME(TD_NLM_F_DUMP_INTR, NLM_F_DUMP_INTR);
SAME(TD_DUMP_HEADER, NLMSG_HDRLEN + sizeof(struct inet_diag_req));
SAME(TD_EXACT_SIZE, NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2));
SAME(72, sizeof(struct inet_diag_msg));
SAME(TD_STATE_LISTEN, TCP_LISTEN);
SAME(TD_STATE_CLOSING, TCP_CLOSING);

const char td_backend[] = "linux";

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
	struct sockaddr_nl from = {.nl_pid = 0};
	socklen_t length = sizeof(from);
	ssize_t n = recvfrom(fd, buf, size, MSG_TRUNC, (struct sockaddr *)&from,
	    &length);

	*step = "recvfrom";
	if (n < 0)
		return -errno;
	if (length != sizeof(from) || from.nl_pid != 0 || n == 0)
		return -EPROTO;
	if ((size_t)n > size)
		return -EMSGSIZE;
	*got = (size_t)n;
	return 0;
}

int
td_receive_dump(const struct td_dumping *d, const char **step)
{
	struct td_dump_state state = {.seq = d->seq};
	struct td_message m;
	int error = 0;

	while (error == 0 && !state.over) {
		const unsigned char *at = d->buf;
		size_t left = 0;

		error = td_receive(d->fd, d->buf, d->room, &left, step);
		if (error != 0)
			return error;
		*step = d->name;
		while ((error = td_next_of_dump(&at, &left, &state, &m)) == 1) {
			error = d->take(d->arg, &m);
			if (error != 0)
				return error;
		}
	}
	return error == 0 && state.torn ? -EAGAIN : error;
}

int
td_receive_one(int fd, void *buf, size_t size, uint32_t seq,
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

/* The row in an answer, if it is what was asked for. */
static int
take_row(const struct td_message *m, const struct td_tuple *tuple,
    struct td_row *row)
{
	int error;

	if (m->type == TD_NLMSG_ERROR) {
		error = td_message_errno(m);
		return error > 0 ? -error : -EPROTO;
	}
	if (m->type != TD_SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	memset(row, 0, sizeof(*row));
	error = td_get_row(m, row, NULL);
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

static void
end(struct td_conversation *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Its socket, which a child would share with the parent that has opened it. */
static int
begin(struct td_conversation *c, const char **step)
{
	int us = getpid();

	if (c->fd >= 0 && c->owner == us)
		return 0;
	end(c);
	c->owner = us;
	return td_open_diag(c->scope, &c->fd, step);
}

enum { REPLY = 4096 };

/* The reply to a look-up, in a buffer of that size, and the row in it. */
static int
look_up(struct td_conversation *c, const struct td_tuple *tuple,
    unsigned char *reply, struct td_message *m, struct td_row *row,
    const char **step)
{
	unsigned char request[TD_EXACT_SIZE];
	int error;

	td_put_lookup(request, ++c->seq, tuple);
	error = td_send(c->fd, request, sizeof(request), step);
	if (error == 0)
		error = td_receive_one(c->fd, reply, REPLY, c->seq, m, step);
	if (error != 0)
		return error;
	*step = "look-up";
	return take_row(m, tuple, row);
}

static int
lookup(struct td_conversation *c, const struct td_tuple *tuple,
    struct td_row *row, const char **step)
{
	unsigned char reply[REPLY];
	struct td_message m;

	return look_up(c, tuple, reply, &m, row, step);
}

int
td_look_again(struct td_conversation *c, const struct td_row *row,
    struct td_counters *counters, const char **step)
{
	struct td_tuple tuple = {.family = row->family, .lport = row->lport,
	    .rport = row->rport, .ifindex = row->ifindex, .cookie = row->cookie};
	unsigned char reply[REPLY];
	struct td_message m;
	struct td_row now;
	int error = begin(c, step);

	memcpy(tuple.laddr, row->laddr, sizeof(tuple.laddr));
	memcpy(tuple.raddr, row->raddr, sizeof(tuple.raddr));
	if (error == 0)
		error = look_up(c, &tuple, reply, &m, &now, step);
	return error == 0 ? td_get_counters(&m, counters) : error;
}

int
td_lookup(const struct td_tuple *tuple, int scope, struct td_row *row,
    const char **step)
{
	struct td_conversation c = {.scope = scope, .fd = -1};
	int error = begin(&c, step);

	if (error == 0)
		error = lookup(&c, tuple, row, step);
	end(&c);
	return error;
}

enum { ROOM_OF_ONE = 4096 };

size_t
td_at_once(int fd)
{
	socklen_t length = sizeof(int);
	int room = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &length) != 0 ||
	    room < 2 * ROOM_OF_ONE)
		return 1;
	return room / ROOM_OF_ONE < TD_AT_ONCE ? (size_t)room / ROOM_OF_ONE :
						 TD_AT_ONCE;
}

struct asked {
	const struct td_tuple *tuples;
	const uint32_t *ifindices;
	size_t n_ifindices;
};

/* The i-th of all questions: each tuple with each interface. */
static struct td_tuple
question(const struct asked *a, size_t i)
{
	struct td_tuple tuple = a->tuples[i / a->n_ifindices];

	tuple.ifindex = a->ifindices[i % a->n_ifindices];
	return tuple;
}

/* Ask n questions from the first on, in one send(). */
static int
lookup_some(struct td_conversation *c, const struct asked *a, size_t first,
    size_t n, struct td_rows *rows, const char **step)
{
	unsigned char requests[TD_AT_ONCE * TD_EXACT_SIZE], reply[4096];
	struct td_message m;
	struct td_tuple tuple;
	struct td_row row;
	size_t i;
	int error;

	memset(requests, 0, TD_EXACT_SIZE); /* never sent with a size of 0 */
	for (i = 0; i < n; i++) {
		tuple = question(a, first + i);
		td_put_lookup(requests + i * TD_EXACT_SIZE,
		    c->seq + 1 + (uint32_t)i, &tuple);
	}
	error = td_send(c->fd, requests, n * TD_EXACT_SIZE, step);
	for (i = 0; i < n && error == 0; i++) {
		error = td_receive_one(c->fd, reply, sizeof(reply), ++c->seq, &m,
		    step);
		if (error != 0)
			break;
		*step = "look-up";
		tuple = question(a, first + i);
		error = take_row(&m, &tuple, &row);
		if (error == 0)
			error = td_rows_append(rows, &row);
		else if (error == -ENOENT)
			error = 0;
	}
	return error;
}

int
td_lookup_each(const struct td_tuple *tuples, size_t n,
    const uint32_t *ifindices, size_t n_ifindices,
    struct td_conversation *c, struct td_rows *rows, const char **step)
{
	const struct asked a = {tuples, ifindices, n_ifindices};
	size_t i, most, all = n * n_ifindices;
	int error = begin(c, step);

	if (error != 0)
		return error;
	most = td_at_once(c->fd);
	for (i = 0; i < all && error == 0; i += most)
		error = lookup_some(c, &a, i, all - i < most ? all - i : most,
		    rows, step);
	if (error != 0) {
		end(c);
		return error;
	}
	/* A socket bound to no interface answers for all of them. */
	return td_rows_unique(rows);
}

static int
destroy(struct td_conversation *c, const struct td_row *row, int *sent,
    const char **step)
{
	unsigned char request[TD_EXACT_SIZE], reply[4096];
	struct td_message m;
	int error;

	/* Without an identity the kernel would choose for us. */
	if (row->cookie == 0 || row->cookie == UINT64_MAX) {
		*step = "cookie";
		return -EPROTO;
	}
	td_put_destroy(request, ++c->seq, row, 1);
	error = td_send(c->fd, request, sizeof(request), step);
	*sent = error == 0;
	if (error == 0)
		error = td_receive_one(c->fd, reply, sizeof(reply), c->seq, &m,
		    step);
	if (error != 0)
		return error;
	*step = "destroy";
	if (m.type != TD_NLMSG_ERROR)
		return -EPROTO;
	error = td_message_errno(&m);
	return error >= 0 ? -error : -EPROTO;
}

int
td_abort(const struct td_tuple *tuple, struct td_conversation *c,
    const char **step)
{
	struct td_tuple same = *tuple;
	struct td_row row;
	int error = begin(c, step), sent = 0;

	if (error == 0)
		error = lookup(c, tuple, &row, step);
	/* The kernel would end one subflow, and call that success. */
	if (error == 0 && row.flags & TD_ROW_MPTCP) {
		*step = "mptcp";
		error = -EOPNOTSUPP;
	}
	if (error == 0)
		error = destroy(c, &row, &sent, step);
	if (error != 0)
		end(c);
	/* The answer was lost, the request was not: what is gone by now was aborted. */
	if (sent && error == -ENOBUFS) {
		same.cookie = row.cookie;
		if (td_lookup(&same, c->scope, &row, step) == -ENOENT)
			error = 0;
	}
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
		error = td_receive_one(fd, reply, sizeof(reply), 2, &m, step);
	if (error == 0) {
		*step = "destroy";
		error = m.type == TD_NLMSG_ERROR ? td_message_errno(&m) : -EPROTO;
		if (error > 0)
			error = error == ENOENT ? 0 : -error;
	}
	close(fd);
	return error;
}
