/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * floor: what the kernel itself costs, in the plainest C and without a line of
 * tcpdrop's, for benchmarks to be measured against.
 *
 * Build:  cc -O2 -Wall -Wextra -pthread -o floor floor.c        (Linux only)
 *
 * It stays and takes commands on standard input, one a line, so that no start
 * of a process is in a figure.  Each is timed inside and answered by one line,
 * nanoseconds first:
 *
 *   dump                 receive a dump of all connections; parse and keep
 *                        nothing                            -> NS BYTES
 *   abort N              N lines follow, LADDR LPORT RADDR RPORT.  For each:
 *                        socket, look-up, destroy by cookie, close
 *                                                           -> NS ABORTED
 *   drop THREADS PORT    dump what has the local port PORT, then destroy it in
 *                        batches of 128, in so many threads -> NS ABORTED
 *
 * It checks too little to be used on a host that matters: use it in a network
 * namespace of its own.  sock_diag(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#ifndef SOCK_DESTROY
#define SOCK_DESTROY 21
#endif

/* Every state but LISTEN, and not bit 13, which adds a walk. */
enum { STATES = 0xbfe, BUFFER = 32768, BATCH = 128, MAX_THREADS = 16 };

struct exact {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

struct full {
	struct nlmsghdr header;
	struct inet_diag_req body;
};

struct victim {
	uint8_t family;
	struct inet_diag_sockid id;
};

static void
die(const char *fmt, ...)
{
	va_list ap;
	int e = errno;

	fprintf(stderr, "floor: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, e ? ": %s\n" : "\n", strerror(e));
	exit(1);
}

static long long
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int
open_diag(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		die("socket");
	return fd;
}

static void
tell(int fd, const void *request, size_t size)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, request, size, 0, (struct sockaddr *)&kernel,
		sizeof(kernel)) != (ssize_t)size)
		die("sendto");
}

/* ---- dump --------------------------------------------------------------- */

static int
begin_dump(uint16_t port)
{
	struct full request = {
		.header = {.nlmsg_len = sizeof(request),
		    .nlmsg_type = TCPDIAG_GETSOCK,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.body = {.idiag_states = STATES, .id.idiag_sport = htons(port)},
	};
	int fd = open_diag();

	tell(fd, &request, sizeof(request));
	return fd;
}

/* The end mark comes alone or last: 20 bytes, so nothing else is looked at. */
static long long
dump(void)
{
	char buf[BUFFER];
	long long bytes = 0;
	int fd = begin_dump(0);

	for (;;) {
		struct nlmsghdr last;
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < (ssize_t)sizeof(last))
			die("recv");
		bytes += n;
		if (n < 20)
			continue;
		memcpy(&last, buf + n - 20, sizeof(last));
		if (last.nlmsg_type == NLMSG_DONE && last.nlmsg_len == 20)
			break;
	}
	close(fd);
	return bytes;
}

/* ---- exact -------------------------------------------------------------- */

static struct exact
exact(int type, int flags, const struct victim *v)
{
	struct exact request = {
		.header = {.nlmsg_len = sizeof(request),
		    .nlmsg_type = (uint16_t)type,
		    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
		.body = {.sdiag_family = v->family, .sdiag_protocol = IPPROTO_TCP,
		    .id = v->id},
	};

	return request;
}

static int
abort_one(const struct victim *named)
{
	struct {
		struct nlmsghdr header;
		union {
			struct inet_diag_msg message;
			struct nlmsgerr error;
			char room[4096];
		} body;
	} reply;
	struct victim found = *named;
	struct exact request = exact(SOCK_DIAG_BY_FAMILY, 0, named);
	int fd = open_diag(), ok = 0;

	tell(fd, &request, sizeof(request));
	if (recv(fd, &reply, sizeof(reply), 0) < 0)
		die("recv");
	if (reply.header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
		found.id = reply.body.message.id;
		request = exact(SOCK_DESTROY, NLM_F_ACK, &found);
		tell(fd, &request, sizeof(request));
		if (recv(fd, &reply, sizeof(reply), 0) < 0)
			die("recv");
		ok = reply.header.nlmsg_type == NLMSG_ERROR &&
		    reply.body.error.error == 0;
	}
	close(fd);
	return ok;
}

static struct victim
read_victim(void)
{
	struct victim v = {.family = AF_INET};
	char line[256], laddr[64], raddr[64];
	unsigned lport, rport;

	if (!fgets(line, sizeof(line), stdin) ||
	    sscanf(line, "%63s %u %63s %u", laddr, &lport, raddr, &rport) != 4)
		die("LADDR LPORT RADDR RPORT was expected");
	if (strchr(laddr, ':'))
		v.family = AF_INET6;
	if (inet_pton(v.family, laddr, v.id.idiag_src) != 1 ||
	    inet_pton(v.family, raddr, v.id.idiag_dst) != 1)
		die("not an address in: %s", line);
	v.id.idiag_sport = htons((uint16_t)lport);
	v.id.idiag_dport = htons((uint16_t)rport);
	v.id.idiag_cookie[0] = v.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return v;
}

static void
command_abort(long n)
{
	struct victim *victims = calloc((size_t)n + 1, sizeof(*victims));
	long aborted = 0, i;
	long long start;

	if (!victims)
		die("calloc");
	for (i = 0; i < n; i++)
		victims[i] = read_victim();
	start = now();
	for (i = 0; i < n; i++)
		aborted += abort_one(&victims[i]);
	printf("%lld %ld\n", now() - start, aborted);
	free(victims);
}

/* ---- many --------------------------------------------------------------- */

static struct victim *victims;
static size_t found, room;

static void
collect(uint16_t port)
{
	static char buf[BUFFER];
	int fd = begin_dump(port);

	for (found = 0;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)buf;

		if (n < 0)
			die("recv");
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			struct inet_diag_msg *m = NLMSG_DATA(h);

			if (h->nlmsg_type != TCPDIAG_GETSOCK) {
				close(fd);
				return;
			}
			if (found == room) {
				room = room ? 2 * room : 1024;
				victims = realloc(victims, room * sizeof(*victims));
				if (!victims)
					die("realloc");
			}
			victims[found++] = (struct victim){m->idiag_family, m->id};
		}
	}
}

struct part {
	pthread_t thread;
	size_t from, to, failed;
};

static void *
destroy_part(void *arg)
{
	struct part *part = arg;
	struct exact batch[BATCH];
	char reply[8192];
	int fd = open_diag();
	size_t at = part->from;

	while (at < part->to) {
		size_t n = part->to - at < BATCH ? part->to - at : BATCH, i;
		int ended = 0;

		for (i = 0; i < n; i++) {
			batch[i] = exact(SOCK_DESTROY,
			    i + 1 == n ? NLM_F_ACK : 0, &victims[at + i]);
			batch[i].header.nlmsg_seq = (uint32_t)i + 1;
		}
		tell(fd, batch, n * sizeof(batch[0]));
		while (!ended) {
			ssize_t got = recv(fd, reply, sizeof(reply), 0);
			struct nlmsghdr *h = (struct nlmsghdr *)reply;

			if (got < 0)
				die("recv");
			for (; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
				part->failed += ((struct nlmsgerr *)NLMSG_DATA(h))->error != 0;
				ended |= h->nlmsg_seq == n;
			}
		}
		at += n;
	}
	close(fd);
	return NULL;
}

static void
command_drop(int threads, uint16_t port)
{
	struct part parts[MAX_THREADS];
	long long start = now();
	size_t failed = 0;
	int k;

	collect(port);
	for (k = 0; k < threads; k++) {
		parts[k] = (struct part){.from = found * (size_t)k / (size_t)threads,
		    .to = found * (size_t)(k + 1) / (size_t)threads};
		if (k + 1 < threads)
			if (pthread_create(&parts[k].thread, NULL, destroy_part,
				&parts[k]))
				die("pthread_create");
	}
	destroy_part(&parts[threads - 1]);
	for (k = 0; k < threads; k++) {
		if (k + 1 < threads)
			pthread_join(parts[k].thread, NULL);
		failed += parts[k].failed;
	}
	printf("%lld %zu\n", now() - start, found - failed);
}

int
main(void)
{
	char line[256];
	long n;
	int threads;
	unsigned port;

	while (fgets(line, sizeof(line), stdin)) {
		errno = 0;
		if (!strcmp(line, "dump\n")) {
			long long start = now(), bytes = dump();

			printf("%lld %lld\n", now() - start, bytes);
		} else if (sscanf(line, "abort %ld", &n) == 1 && n >= 0) {
			command_abort(n);
		} else if (sscanf(line, "drop %d %u", &threads, &port) == 2 &&
		    threads > 0 && threads <= MAX_THREADS && port > 0 &&
		    port < 65536) {
			command_drop(threads, (uint16_t)port);
		} else {
			die("no such command: %s", line);
		}
		fflush(stdout);
	}
	return 0;
}
