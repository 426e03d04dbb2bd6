/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * no_threads.c - LD_PRELOAD: after THREADS threads no further one is to be had,
 * as below a limit of processes (ulimit -u, pids.max).  pthread_create(3).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int made;

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*start)(void *), void *argument)
{
	static int (*next)(pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *);
	const char *most = getenv("THREADS");

	if (most != NULL && atomic_fetch_add(&made, 1) >= atoi(most))
		return EAGAIN;
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
	return next(thread, attributes, start, argument);
}
