/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_descriptor.c - sockets by descriptor: whose connection is it, and abort
 * it through the socket itself.  A descriptor of another process is duplicated
 * with pidfd_getfd(2), which asks for the rights of ptrace(2).
 * connect(AF_UNSPEC) on a connected socket resets it, with an RST to the peer,
 * on every kernel and without any privilege.  connect(2), tcp_disconnect().
 *
 * A number may mean another file by the time it is used, also a number of our
 * own in a program with threads.  So it is duplicated first, and the duplicate
 * is what is looked at and aborted: nobody can exchange that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TCP_REPAIR
#define TCP_REPAIR 19
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
/* One number on every architecture (but alpha), also where headers are older. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* IPPROTO_TCP or IPPROTO_MPTCP, else -ENOENT: a UDP or SCTP socket can have the very same ends. */
static int
protocol_of(int fd, const char **step)
{
	int protocol = 0;
	socklen_t size = sizeof(protocol);

	*step = "SO_PROTOCOL";
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
		return -errno;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return -ENOENT;
	return protocol;
}

static int
ends_of(int fd, struct td_row *row, const char **step)
{
	struct sockaddr_in6 ends[2]; /* room for either family */
	socklen_t size = sizeof(ends[0]);
	int i, protocol = protocol_of(fd, step);

	if (protocol < 0)
		return protocol;
	memset(ends, 0, sizeof(ends));
	*step = "getsockname";
	if (getsockname(fd, (struct sockaddr *)&ends[0], &size) != 0)
		return -errno;
	size = sizeof(ends[1]);
	*step = "getpeername";
	if (getpeername(fd, (struct sockaddr *)&ends[1], &size) != 0)
		return errno == ENOTCONN ? -ENOENT : -errno;
	if (ends[0].sin6_family != AF_INET && ends[0].sin6_family != AF_INET6)
		return -ENOENT;
	row->family = ends[0].sin6_family == AF_INET ? 4 : 6;
	for (i = 0; i < 2; i++) {
		uint8_t *to = i == 0 ? row->laddr : row->raddr;

		if (row->family == 6) {
			memcpy(to, &ends[i].sin6_addr, 16);
		} else {
			struct sockaddr_in in;

			memcpy(&in, &ends[i], sizeof(in));
			memcpy(to, &in.sin_addr, 4);
		}
	}
	/* The port stands at the same place in both. */
	row->lport = ntohs(ends[0].sin6_port);
	row->rport = ntohs(ends[1].sin6_port);
	return 0;
}

/* A duplicate of a descriptor of our own, close-on-exec, or -errno. */
static int
duplicate(int fd, const char **step)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	*step = "fcntl";
	return copy < 0 ? -errno : copy;
}

/* A duplicate of another process's descriptor, close-on-exec, or -errno. */
static int
borrow(int pid, int fd, const char **step)
{
	int process, copy, error;

	*step = "pidfd_open";
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return -errno;
	*step = "pidfd_getfd";
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	error = errno;
	close(process);
	return copy < 0 ? -error : copy;
}

/*
 * An MPTCP connection keeps the ends of its first subflow when that is lost.
 * -EOPNOTSUPP: it is there, and names the whole connection better than another.
 */
static int
has_lost_first(int fd, const struct td_row *ends, uint64_t inode, int scope,
    const char **step)
{
	struct td_tuple first = {.family = ends->family, .lport = ends->lport,
	    .rport = ends->rport};
	struct td_row row;
	uint32_t device = 0;
	socklen_t size = sizeof(device);
	int error;

	memcpy(first.laddr, ends->laddr, 16);
	memcpy(first.raddr, ends->raddr, 16);
	/* It is found only with the device that it is bound to: the connection's. */
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &size) == 0)
		first.ifindex = device;
	error = td_lookup(&first, scope, &row, step);
	if (error == -ENOENT || (error == 0 && row.inode != inode))
		return 0;
	*step = "subflow";
	return error != 0 ? error : -EOPNOTSUPP;
}

/*
 * Is this the socket that was seen, and does it still have these ends?  Its
 * cookie tells.  The socket of an MPTCP connection has another than its TCP
 * subflow, which is what a dump shows; both have one inode.  A further subflow
 * has ends of its own: aborting would end more than was named, so it stands
 * for the connection only where that has lost its first.
 */
static int
is_it(int fd, const struct td_tuple *tuple, uint64_t inode, int scope,
    int *kind, const char **step)
{
	struct td_row row = {.flags = 0};
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);
	struct stat st;
	int protocol = protocol_of(fd, step), error;

	if (protocol < 0)
		return protocol == -ENOTSOCK ? -ENOENT : protocol;
	*kind = protocol == IPPROTO_MPTCP ? TD_HELD_MPTCP : TD_HELD_TCP;
	if (*kind == TD_HELD_MPTCP) {
		*step = "fstat";
		if (fstat(fd, &st) != 0)
			return -errno;
		if (inode == 0 || (uint64_t)st.st_ino != inode)
			return -ENOENT;
	} else {
		*step = "SO_COOKIE";
		if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
			return -errno;
		if (cookie != tuple->cookie)
			return -ENOENT;
	}
	/* The ends last: what has a peer is no listener. */
	error = ends_of(fd, &row, step);
	if (error == -ENOENT) {
		/* Before a connection is made its peer is not told: ask the table. */
		error = td_lookup(tuple, scope, &row, step);
		if (error == 0 && (row.state != TD_STATE_SYN_SENT ||
			row.inode != inode))
			return -ENOENT;
		return error;
	}
	if (error == 0 && !td_same_ends(tuple, &row))
		error = *kind == TD_HELD_MPTCP ?
		    has_lost_first(fd, &row, inode, scope, step) :
		    -ENOENT;
	/* The inode outlives a connection: is the subflow still that one? */
	if (error == 0 && *kind == TD_HELD_MPTCP) {
		error = td_lookup(tuple, scope, &row, step);
		if (error == 0 && row.inode != inode)
			error = -ENOENT;
	}
	return error;
}

/* Whoever repairs a connection wants its end to stay untold: no reset is sent. */
static int
is_in_repair(int fd)
{
	int repair = 0;
	socklen_t size = sizeof(repair);

	return getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &repair, &size) == 0 &&
	    repair != 0;
}

static int
disconnect(int fd, const char **step)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	*step = "connect";
	return connect(fd, &nowhere, sizeof(nowhere)) == 0 ? 0 : -errno;
}

int
td_abort_descriptor(int fd, const struct td_tuple *tuple, const char **step)
{
	struct td_row row = {.flags = 0};
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);
	int copy = duplicate(fd, step), error;

	if (copy < 0)
		return copy;
	*step = "SO_COOKIE";
	error = 0;
	if (tuple->cookie != 0 &&
	    getsockopt(copy, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
		error = -errno;
	if (error == 0)
		error = ends_of(copy, &row, step);
	if (error == 0 &&
	    (cookie != tuple->cookie || !td_same_ends(tuple, &row)))
		error = -ENOENT;
	if (error == 0)
		error = disconnect(copy, step);
	close(copy);
	return error;
}

int
td_abort_held(int pid, int fd, const struct td_tuple *tuple, uint64_t inode,
    int scope, int dry_run, int *kind, const char **step)
{
	int copy = pid == getpid() ? duplicate(fd, step) : borrow(pid, fd, step);
	int error;

	if (copy < 0)
		return copy;
	error = is_it(copy, tuple, inode, scope, kind, step);
	if (error == 0 && *kind == TD_HELD_TCP && is_in_repair(copy))
		*kind = TD_HELD_REPAIR;
	if (error == 0 && !dry_run)
		error = disconnect(copy, step);
	close(copy);
	return error;
}

int
td_socket_of(int pid, int fd, struct td_row *row, const char **step)
{
	socklen_t size = sizeof(row->cookie);
	int copy = borrow(pid, fd, step), error;

	if (copy < 0)
		return copy;
	memset(row, 0, sizeof(*row));
	error = ends_of(copy, row, step);
	if (error == 0 &&
	    getsockopt(copy, SOL_SOCKET, SO_COOKIE, &row->cookie, &size) != 0) {
		*step = "SO_COOKIE";
		error = -errno;
	}
	close(copy);
	return error;
}

int
td_pipe_is_cut(int pid, int fd, uint64_t inode, int *cut, const char **step)
{
	int copy = borrow(pid, fd, step), error = 0;
	struct pollfd ask = {.fd = copy};
	struct stat status;

	if (copy < 0)
		return copy;
	*step = "pipe";
	if (fstat(copy, &status) != 0 || !S_ISFIFO(status.st_mode) ||
	    status.st_ino != inode)
		error = -ENOENT;
	else if (poll(&ask, 1, 0) < 0)
		error = -errno;
	*cut = (ask.revents & (POLLHUP | POLLERR)) != 0; /* of a reader, of a writer */
	close(copy);
	return error;
}
