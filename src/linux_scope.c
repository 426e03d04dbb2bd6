/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_scope.c - sockets in a network namespace.  What is odd about this
 * kernel: a netlink socket belongs to the namespace of the thread that opened
 * it, for good.  So only the opening moves into a namespace, in a short thread
 * of its own: if coming back failed, the caller's thread would be lost there.
 *
 * setns(2), network_namespaces(7), netlink(7).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

struct opening {
	int scope;
	int protocol;
	int fd;
	int error;
	const char *step;
};

static void
open_here(struct opening *o)
{
	o->step = "socket";
	o->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, o->protocol);
	if (o->fd < 0)
		o->error = -errno;
}

static void *
open_there(void *arg)
{
	struct opening *o = arg;

	o->step = "setns";
	if (setns(o->scope, CLONE_NEWNET) != 0)
		o->error = -errno;
	else
		open_here(o);
	return NULL;
}

/* Do what `o` asks in its scope; this thread stays where it is. */
static int
open_in_scope(struct opening *o, const char **step)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	o->fd = -1;
	if (o->scope == TD_OWN_SCOPE) {
		open_here(o);
	} else {
		/* No signal of the program's may be delivered in there. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&thread, NULL, open_there, o);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (error != 0) {
			*step = "pthread_create";
			return -error;
		}
		pthread_join(thread, NULL);
	}
	*step = o->step;
	return o->error;
}

static int
open_netlink(int scope, int protocol, int *fd, const char **step)
{
	struct opening o = {.scope = scope, .protocol = protocol};
	int error = open_in_scope(&o, step);

	*fd = o.fd;
	return error;
}

int
td_open_diag(int scope, int *fd, const char **step)
{
	return open_netlink(scope, NETLINK_SOCK_DIAG, fd, step);
}

int
td_open_route(int scope, int *fd, const char **step)
{
	return open_netlink(scope, NETLINK_ROUTE, fd, step);
}
