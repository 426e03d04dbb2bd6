/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.h - what the files of the Linux backend share. */
#ifndef TD_LINUX_H
#define TD_LINUX_H

#include "backend.h"
#include "inet_diag.h"

/* A sock_diag or rtnetlink socket in the scope's namespace, close-on-exec. */
int td_open_diag(int scope, int *fd, const char **step);
int td_open_route(int scope, int *fd, const char **step);

int td_send(int fd, const void *buf, size_t size, const char **step);

/*
 * One datagram into `buf`.  One that is not from the kernel, or that did not
 * fit, is an error and never half a truth.
 */
int td_receive(int fd, void *buf, size_t size, size_t *got, const char **step);

/*
 * A dump: the request's number, a buffer, which the kernel fills up to 32 KiB,
 * and what is called with each message.
 */
enum { TD_BUFFER = 32768 };
struct td_dumping {
	int fd;
	uint32_t seq;
	void *buf;
	size_t room;
	int (*take)(void *arg, const struct td_message *m);
	void *arg;
	const char *name; /* *step, when it is the dump that failed */
};

/*
 * Receive it until it is over, or an error.  -EAGAIN: the kernel says that some
 * was missed, for it changed meanwhile; it is asked again then, over another
 * socket, TD_TRIES times at most.
 */
enum { TD_TRIES = 16 };
int td_receive_dump(const struct td_dumping *d, const char **step);

/* The one reply to a request that is not a dump, with this number. */
int td_receive_one(int fd, void *buf, size_t size, uint32_t seq,
    struct td_message *m, const char **step);

/*
 * How many requests one send() may carry if each is answered: an answer takes
 * room in the receive buffer until it is read.  1 to TD_AT_ONCE.
 */
enum { TD_AT_ONCE = 64 };
size_t td_at_once(int fd);

/* The sockets that a query wants, over a socket of td_open_diag() that has nothing under way. */
int td_dump(int fd, const struct td_query *query, struct td_rows *rows,
    const char **step);

/* This very socket's counters as they are now; -ENOENT: it is no more. */
int td_look_again(struct td_conversation *c, const struct td_row *row,
    struct td_counters *counters, const char **step);

/* Set TD_INFO_OPENED of each row, listed with its details, that has data under way and opened its connection. */
int td_tell_openers(struct td_rows *rows, int scope, const char **step);

/*
 * The kernel's clock before a list and behind it, as a stamp that was never
 * written shows it.  What has such a one in its details, and received nothing,
 * loses TD_INFO_TIMES.
 */
struct td_clock {
	uint32_t before, behind;
	int known;
};
struct td_clock td_clock_before(void);
void td_forget_never(struct td_rows *rows, struct td_clock clock);

/* Zeroed at first; freed with td_listeners_free(). */
struct td_listeners {
	uint64_t *cookies; /* ascending */
	size_t count;
	int64_t until; /* when to look again */
};

/*
 * Look at the listeners of the namespace that fd is of, if it is time to.
 * After an error fd may have answers under way: close it.
 */
int td_listeners_look(struct td_listeners *listeners, int fd,
    const char **step);
int td_listeners_have(const struct td_listeners *listeners, uint64_t cookie);
void td_listeners_free(struct td_listeners *listeners);

enum { TD_MAX_THREADS = 16 };

/*
 * How many threads are worth it: `wanted`, or by the number of sockets when
 * that is 0.  Below some 10,000 starting them costs more than they gain.
 */
int td_choose_threads(int wanted, size_t sockets);

/*
 * Run f on each of n records, `size` bytes apart, the first in this thread;
 * return when all are done.  No signal is delivered to the others.
 */
void td_run_threads(void *(*f)(void *), void *records, size_t size, int n);

#endif
