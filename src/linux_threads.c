/* SPDX-License-Identifier: BSD-2-Clause */
/* linux_threads.c - the same work in several threads, each its own netlink socket. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum { PARALLEL_FROM = 10000, USUAL_MOST = 4 };

int
td_choose_threads(int wanted, size_t sockets)
{
	cpu_set_t set;
	int cpus;

	if (wanted > 0)
		return wanted < TD_MAX_THREADS ? wanted : TD_MAX_THREADS;
	if (sockets < PARALLEL_FROM)
		return 1;
	/* Those that this process may use: more threads would only take turns. */
	cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return cpus < 1 ? 1 : cpus > USUAL_MOST ? USUAL_MOST : cpus;
}

void
td_run_threads(void *(*f)(void *), void *records, size_t size, int n)
{
	pthread_t threads[TD_MAX_THREADS];
	sigset_t all, before;
	char *record = records;
	int k, started = 1;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; started < n; started++)
		if (pthread_create(&threads[started], NULL, f,
			record + (size_t)started * size) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)f(record);
	for (k = started; k < n; k++) /* no thread to be had: one by one */
		(void)f(record + (size_t)k * size);
	for (k = 1; k < started; k++)
		pthread_join(threads[k], NULL);
}
