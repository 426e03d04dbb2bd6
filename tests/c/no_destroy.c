/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * no_destroy.c - LD_PRELOAD: a kernel without CONFIG_INET_DIAG_DESTROY.
 *
 * Each SOCK_DESTROY handed to a netlink socket is taken out of what is sent and
 * answered, at the next receive, as such a kernel answers: EOPNOTSUPP, whether
 * or not there is such a socket, and also without NLM_F_ACK.  The rest passes.
 *
 * NO_DIAG=2 is a kernel without tcp_diag instead, and NO_DIAG=95 one without
 * inet_diag: so a dump is answered, and whatever names a socket with ENOENT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

struct answer {
	struct answer *next;
	int fd;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} message;
};

static struct answer *answers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
is_netlink(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	    domain == AF_NETLINK;
}

/* The errno of a kernel that refuses this request; 0: it passes. */
static int
refused_with(int fd, const struct nlmsghdr *request)
{
	const char *all = getenv("NO_DIAG");
	int protocol = 0;
	socklen_t size = sizeof(protocol);

	if (all == NULL)
		return request->nlmsg_type == SOCK_DESTROY ? EOPNOTSUPP : 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
		abort();
	if (protocol != NETLINK_SOCK_DIAG)
		return 0;
	return request->nlmsg_type == TCPDIAG_GETSOCK ? atoi(all) : ENOENT;
}

static void
refuse(int fd, const struct nlmsghdr *request, int error)
{
	struct answer *one = calloc(1, sizeof(*one)), **at = &answers;

	if (one == NULL)
		abort();
	one->fd = fd;
	one->message.header.nlmsg_len = sizeof(one->message);
	one->message.header.nlmsg_type = NLMSG_ERROR;
	one->message.header.nlmsg_seq = request->nlmsg_seq;
	one->message.error.error = -error;
	one->message.error.msg = *request;
	pthread_mutex_lock(&lock);
	while (*at != NULL)
		at = &(*at)->next;
	*at = one;
	pthread_mutex_unlock(&lock);
}

/* Copy all but the destroys; the number of bytes left. */
static size_t
take_out(int fd, const unsigned char *from, size_t size, unsigned char *to)
{
	size_t kept = 0;

	while (size >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr header;
		size_t step;
		int error;

		memcpy(&header, from, sizeof(header));
		step = NLMSG_ALIGN((size_t)header.nlmsg_len);
		if (step < sizeof(header) || step > size)
			break;
		error = refused_with(fd, &header);
		if (error != 0) {
			refuse(fd, &header, error);
		} else {
			memcpy(to + kept, from, step);
			kept += step;
		}
		from += step;
		size -= step;
	}
	memcpy(to + kept, from, size);
	return kept + size;
}

static ssize_t
real_sendto(int fd, const void *buf, size_t size, int flags,
    const struct sockaddr *to, socklen_t length)
{
	static ssize_t (*real)(int, const void *, size_t, int,
	    const struct sockaddr *, socklen_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "sendto");
	return real(fd, buf, size, flags, to, length);
}

ssize_t
sendto(int fd, const void *buf, size_t size, int flags,
    const struct sockaddr *to, socklen_t length)
{
	unsigned char *rest;
	size_t left;
	ssize_t sent;

	if (!is_netlink(fd))
		return real_sendto(fd, buf, size, flags, to, length);
	rest = malloc(size + 1);
	if (rest == NULL)
		abort();
	left = take_out(fd, buf, size, rest);
	sent = left == 0 ? 0 : real_sendto(fd, rest, left, flags, to, length);
	free(rest);
	return sent < 0 ? sent : (ssize_t)size;
}

ssize_t
send(int fd, const void *buf, size_t size, int flags)
{
	return sendto(fd, buf, size, flags, NULL, 0);
}

/* An answer of ours for this descriptor, or -1. */
static ssize_t
own_answer(int fd, void *buf, size_t size, struct sockaddr *from,
    socklen_t *length)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct answer **at, *one;
	size_t copied;

	pthread_mutex_lock(&lock);
	for (at = &answers; *at != NULL && (*at)->fd != fd; at = &(*at)->next)
		continue;
	one = *at;
	if (one != NULL)
		*at = one->next;
	pthread_mutex_unlock(&lock);
	if (one == NULL)
		return -1;
	copied = sizeof(one->message) < size ? sizeof(one->message) : size;
	memcpy(buf, &one->message, copied);
	free(one);
	if (from != NULL && length != NULL) {
		memcpy(from, &kernel,
		    *length < sizeof(kernel) ? *length : sizeof(kernel));
		*length = sizeof(kernel);
	}
	return sizeof(((struct answer *)0)->message);
}

ssize_t
recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
    socklen_t *length)
{
	static ssize_t (*real)(int, void *, size_t, int, struct sockaddr *,
	    socklen_t *);
	ssize_t got = own_answer(fd, buf, size, from, length);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "recvfrom");
	return got >= 0 ? got : real(fd, buf, size, flags, from, length);
}

ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
	return recvfrom(fd, buf, size, flags, NULL, NULL);
}
