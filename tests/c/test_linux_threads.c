/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_linux_threads.c - the Linux backend on this kernel, from many threads at
 * once, each of which starts threads.  Made for ThreadSanitizer and valgrind.
 *
 * In a network namespace of its own; where none is to be had it says so.
 */
#define _GNU_SOURCE
#include "backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

enum { PAIRS = 150, SPARED = 10, CALLERS = 4, ROUNDS = 4, DROPPERS = 3 };
enum { EVERY = TD_ALL_STATES & ~(1u << TD_STATE_CLOSED) };

static int listener, clients[PAIRS], servers[PAIRS];

static int
enter(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET) != 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
	return 1;
}

static void
connect_all(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int i;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0);
	CHECK(listen(listener, PAIRS) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
	for (i = 0; i < PAIRS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK(connect(clients[i], (struct sockaddr *)&at, size) == 0);
		servers[i] = accept(listener, NULL, NULL);
		CHECK(servers[i] >= 0);
	}
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t size = sizeof(at);

	CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
	return ntohs(at.sin_port);
}

static int
alive(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	return info.tcpi_state == TCP_ESTABLISHED;
}

static void
list(int threads, int scope, struct td_rows *rows)
{
	struct td_query query = {.states = EVERY, .threads = threads,
	    .scope = scope, .details = TD_DETAIL_INFO};
	const char *step;

	*rows = (struct td_rows){
	    .stride = sizeof(struct td_row) + sizeof(struct td_info)};
	CHECK(td_list(&query, rows, &step) == 0);
}

/* Everything that changes nothing, again and again. */
static void *
look(void *arg)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), i;
	struct td_interface *names;
	struct td_process process;
	struct td_rows rows;
	const char *step;
	uint32_t *indices, ipv4, ipv6;
	size_t n;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		list(1 + i, i % 2 ? own : TD_OWN_SCOPE, &rows);
		CHECK(rows.count == 2 * PAIRS + 1);
		td_rows_free(&rows);
		rows = (struct td_rows){.stride = sizeof(struct td_row)};
		CHECK(td_mptcp(own, &rows, &step) == 0 ||
		    strcmp(step, "MPTCP dump") == 0);
		td_rows_free(&rows);
		CHECK(td_interfaces(own, &names, &n, &step) == 0 && n == 1);
		free(names);
		CHECK(td_ifindices(own, &indices, &n, &step) == 0 && n == 1);
		free(indices);
		CHECK(td_rules(own, &ipv4, &ipv6, &step) == 0);
		CHECK(td_process(getpid(), "NOTHING", &process, &step) == 0);
		CHECK(process.sockets_error == 0);
		CHECK(process.count >= 2 * PAIRS + 1 && process.value == NULL);
		td_process_free(&process);
	}
	close(own);
	return NULL;
}

static atomic_int dropped;

/* The same rows in several threads at once, each in several: one drops it, for the others it is gone. */
static void *
drop(void *arg)
{
	struct td_rows rows;
	uint32_t indices[PAIRS];
	int errors[PAIRS], k;
	const char *step;
	size_t n = 0, i;

	(void)arg;
	list(2, TD_OWN_SCOPE, &rows);
	for (i = 0; i < rows.count; i++)
		for (k = SPARED; k < PAIRS; k++)
			if (td_rows_at(&rows, i)->lport == port_of(clients[k]))
				indices[n++] = (uint32_t)i;
	/* Another may have been faster. */
	CHECK(n <= PAIRS - SPARED);
	CHECK(td_abort_rows(&rows, indices, n, errors, TD_OWN_SCOPE, 3, &step) == 0);
	for (i = 0; i < n; i++) {
		CHECK(errors[i] == 0 || errors[i] == ENOENT);
		dropped += errors[i] == 0;
	}
	td_rows_free(&rows);
	return NULL;
}

static void
run(void *(*work)(void *), int n)
{
	pthread_t threads[CALLERS];
	int i;

	for (i = 0; i < n; i++)
		CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
	for (i = 0; i < n; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

int
main(void)
{
	int i;

	if (!enter()) {
		puts("test_linux_threads: skipped, no network namespace is to be had");
		return 0;
	}
	connect_all();
	run(look, CALLERS);
	run(drop, DROPPERS);
	for (i = 0; i < PAIRS; i++)
		CHECK(alive(clients[i]) == (i < SPARED) &&
		    alive(servers[i]) == (i < SPARED));
	CHECK(dropped >= PAIRS - SPARED); /* two at one moment may both have found it */
	for (i = 0; i < PAIRS; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	close(listener);
	puts("test_linux_threads: ok");
	return 0;
}
