/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_descriptor.c - sockets by descriptor: whose connection is it, and abort
 * it through the socket itself.  A descriptor of another process is duplicated
 * with pidfd_getfd(2), which asks for the rights of ptrace(2).
 * connect(AF_UNSPEC) on a connected socket resets it, with an RST to the peer,
 * on every kernel and without any privilege.  connect(2), tcp_disconnect().
 */
#include "backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static int
ends_of(int fd, struct td_row *row, const char **step)
{
	struct sockaddr_in6 ends[2]; /* room for either family */
	socklen_t size = sizeof(ends[0]);
	int i, protocol = 0;
	socklen_t protocol_size = sizeof(protocol);

	/* A UDP or SCTP socket can have the very same ends. */
	*step = "SO_PROTOCOL";
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol,
		&protocol_size) != 0)
		return -errno;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return -ENOENT;
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

int
td_abort_descriptor(int fd, const struct td_tuple *tuple, const char **step)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct td_row row = {.flags = 0};
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);
	int error = ends_of(fd, &row, step);

	if (error != 0)
		return error;
	*step = "SO_COOKIE";
	if (tuple->cookie != 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
		return -errno;
	if (cookie != tuple->cookie || !td_same_ends(tuple, &row))
		return -ENOENT;
	*step = "connect";
	return connect(fd, &nowhere, sizeof(nowhere)) == 0 ? 0 : -errno;
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
