/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lossy.c - LD_PRELOAD: netlink answers that get lost.
 *
 * LOSSY=small   the smallest receive buffer there is: a few answers fill it,
 *               and the kernel throws away the rest and says ENOBUFS
 * LOSSY=all     every answer to a destroy is thrown away, and the next receive
 *               says ENOBUFS, as when the kernel had no memory for it
 * LOSSY=unsent  no batch is sent at all: ENOBUFS, as when there is no memory
 * LOSSY_ONE=1   the same of a request for one, which asks for long answers
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/sock_diag.h>

static int
mode(const char *name)
{
	const char *value = getenv("LOSSY");

	return value != NULL && strcmp(value, name) == 0;
}

int
socket(int domain, int type, int protocol)
{
	static int (*next)(int, int, int);
	int fd, least = 1;

	if (next == NULL)
		next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	fd = next(domain, type, protocol);
	if (fd >= 0 && domain == AF_NETLINK && mode("small"))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	return fd;
}

ssize_t
recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
    socklen_t *length)
{
	static ssize_t (*next)(int, void *, size_t, int, struct sockaddr *,
	    socklen_t *);
	int domain = 0, capped = 0;
	socklen_t is = sizeof(domain);
	ssize_t got;

	if (next == NULL)
		next = (ssize_t (*)(int, void *, size_t, int, struct sockaddr *,
		    socklen_t *))dlsym(RTLD_NEXT, "recvfrom");
	got = next(fd, buf, size, flags, from, length);
	/* Only the socket of a batch asks for short answers, and that dumps too. */
	if (got < (ssize_t)sizeof(struct nlmsghdr) || !mode("all") ||
	    ((const struct nlmsghdr *)buf)->nlmsg_type != NLMSG_ERROR ||
	    ((const struct nlmsgerr *)NLMSG_DATA(buf))->msg.nlmsg_type !=
		SOCK_DESTROY ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &is) != 0 ||
	    domain != AF_NETLINK ||
	    getsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &capped, &is) != 0 ||
	    !(capped || getenv("LOSSY_ONE") != NULL))
		return got;
	while (next(fd, buf, size, MSG_DONTWAIT, NULL, NULL) >= 0)
		;
	errno = ENOBUFS;
	return -1;
}

ssize_t
sendto(int fd, const void *buf, size_t size, int flags,
    const struct sockaddr *to, socklen_t length)
{
	static ssize_t (*next)(int, const void *, size_t, int,
	    const struct sockaddr *, socklen_t);
	int domain = 0, capped = 0;
	socklen_t is = sizeof(domain);

	if (next == NULL)
		next = (ssize_t (*)(int, const void *, size_t, int,
		    const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "sendto");
	if (mode("unsent") &&
	    ((const struct nlmsghdr *)buf)->nlmsg_type == SOCK_DESTROY &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &is) == 0 &&
	    domain == AF_NETLINK &&
	    getsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &capped, &is) == 0 &&
	    (capped || getenv("LOSSY_ONE") != NULL)) {
		errno = ENOBUFS;
		return -1;
	}
	return next(fd, buf, size, flags, to, length);
}
