/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_killer.c - the queue in which real sockets wait to be destroyed: a
 * thread that sleeps until the next is due.  What is left when the program
 * exits is carried out then, for illumos would carry it out as well.
 */
#define _GNU_SOURCE
#include "sim.h"
#include "sim_host.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../src/inet_diag.h"

enum { BATCH = 64 };

struct victim {
	struct td_row row;
	struct td_row peer;
	struct sim_holder peer_holder; /* nobody: it is not on this host */
	long long due;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct victim *queue;
static size_t first, end, room;
static int running;

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

/* One sock_diag socket, of the namespace that the victims are in. */
static int diag = -1;
static ino_t diag_namespace;

static void
destroy(const struct td_row *row)
{
	unsigned char request[TD_EXACT_SIZE], reply[4096];

	td_put_destroy(request, 1, row, 1);
	if (send(diag, request, sizeof(request), 0) > 0)
		(void)recv(diag, reply, sizeof(reply), 0);
}

/*
 * Make a socket deaf, or hear again: what comes with a TTL below 255 is
 * dropped, and so is the RST that illumos would not have sent.
 */
static void
set_deaf(int fd, int deaf)
{
	int four = deaf ? 255 : 0, six = four;

	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &six, sizeof(six));
	(void)setsockopt(fd, IPPROTO_IP, IP_MINTTL, &four, sizeof(four));
}

/* Everything that is due by then; the lock is held. */
static void
run_until(long long when)
{
	static const struct timespec moment = {0, 1000000};
	int peers[BATCH], n = 0, i;

	for (; first < end && queue[first].due <= when && n < BATCH; first++) {
		int fd = sim_borrow(&queue[first].peer,
		    queue[first].peer_holder);

		if (fd >= 0) {
			set_deaf(fd, 1);
			peers[n++] = fd;
		}
		destroy(&queue[first].row);
	}
	if (n != 0)
		nanosleep(&moment, NULL); /* an RST on its way arrives */
	for (i = 0; i < n; i++) {
		set_deaf(peers[i], 0);
		close(peers[i]);
	}
	if (first == end)
		first = end = 0;
	else if (queue[first].due <= when)
		run_until(when);
}

static void *
killer(void *unused)
{
	struct timespec until;

	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		run_until(sim_now_ms());
		if (first == end) {
			pthread_cond_wait(&arrived, &lock);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		(void)pthread_cond_timedwait(&arrived, &lock, &until);
	}
	return NULL;
}

static void
start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, killer, NULL) == 0) {
		pthread_detach(thread);
		running = 1;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
use_namespace(void)
{
	struct stat here;

	if (stat("/proc/thread-self/ns/net", &here) != 0)
		memset(&here, 0, sizeof(here));
	if (diag >= 0 && here.st_ino == diag_namespace)
		return;
	run_until(INT64_MAX); /* the rest belongs to the other one */
	if (diag >= 0)
		close(diag);
	diag = sim_open_diag();
	diag_namespace = here.st_ino;
}

void
sim_kill_later(const struct td_row *row, const struct td_row *peer)
{
	const char *text = getenv("TCPDROP_SIM_DELAY_MS");

	pthread_mutex_lock(&lock);
	use_namespace();
	if (end == room) {
		room = room != 0 ? 2 * room : 64;
		queue = realloc(queue, room * sizeof(*queue));
		if (queue == NULL)
			abort();
	}
	memset(&queue[end], 0, sizeof(queue[end]));
	queue[end].row = *row;
	if (peer != NULL) {
		queue[end].peer = *peer;
		queue[end].peer_holder = sim_creator(peer);
	}
	queue[end++].due = sim_now_ms() + (text != NULL ? atoi(text) : 20);
	if (!running)
		start_thread();
	pthread_cond_signal(&arrived);
	pthread_mutex_unlock(&lock);
}

/* ---- leaving, and children ---------------------------------------------- */

__attribute__((destructor)) static void
finish(void)
{
	pthread_mutex_lock(&lock);
	run_until(INT64_MAX);
	pthread_mutex_unlock(&lock);
}

static void
before_fork(void)
{
	sim_lock();
	pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	pthread_mutex_unlock(&lock);
	sim_unlock();
}

/* The thread and the victims stay the parent's. */
static void
in_child(void)
{
	first = end = 0;
	running = 0;
	if (diag >= 0)
		close(diag);
	diag = -1;
	after_fork();
}

__attribute__((constructor)) static void
start(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}
