/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_drop.c - dropping many rows that a dump has shown.
 *
 * Never while a dump runs: sockets that vanish shift the walk, and it skips
 * others.  A batch of requests travels in one send() and is carried out inside
 * it; only failures answer, and the last request of a batch, which asks for an
 * answer as the end mark.  A reply takes room in the receive buffer, so no
 * batch is larger than what that holds if every request fails.  Should replies
 * be lost all the same (ENOBUFS), the rows of that batch that have not answered
 * keep this errno: their outcome is unknown, look again.
 *
 * sock_diag(7), netlink(7).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#ifndef NETLINK_CAP_ACK
#define NETLINK_CAP_ACK 10
#endif

/*
 * 128 have all the gain; more would only hold the CPU for longer.  An answer
 * charges the receive buffer with some 830 bytes, whatever its length, and with
 * 1,280 where a line of the cache has 256 bytes (s390x).
 */
enum { BATCH = 128, ANSWER = 1536 };

/* What all threads share. */
struct job {
	const struct td_rows *rows;
	const uint32_t *indices;
	size_t n;
	int *errors;
	int scope;
	atomic_size_t next; /* the first index that no thread has taken */
};

/* A thread: it takes the next rows whenever it is done with some. */
struct work {
	struct job *job;
	int fd;
	int lost;     /* why it gave up, an errno */
	size_t batch; /* requests that one send() may carry */
	struct td_listeners listeners;
};

/* May this row be destroyed at all?  0 or a positive errno. */
static int
refuse(const struct td_row *row)
{
	struct td_tuple t = {.family = row->family, .lport = row->lport,
	    .rport = row->rport, .cookie = row->cookie};
	const char *why;

	memcpy(t.laddr, row->laddr, 16);
	memcpy(t.raddr, row->raddr, 16);
	if (row->state == TD_STATE_LISTEN || row->cookie == 0)
		return EINVAL;
	/* A connection that is being taken down gives its port back first. */
	if (row->lport == 0 || row->rport == 0)
		return ENOENT;
	return td_tuple_check(&t, &why) != 0 ? EINVAL : 0;
}

/* Note the answers in one datagram: 1 when the end mark was among them. */
static int
take_answers(const struct work *w, const unsigned char *at, size_t left,
    const uint32_t *batch, size_t size)
{
	struct td_message m;
	int error, ended = 0;

	while ((error = td_next_message(&at, &left, &m)) == 1) {
		if (m.type != TD_NLMSG_ERROR || m.seq == 0 || m.seq > size)
			return -EPROTO; /* to wait for ours might be to wait for ever */
		error = td_message_errno(&m);
		w->job->errors[batch[m.seq - 1]] = error < 0 ? EPROTO : error;
		ended |= m.seq == size;
	}
	return error < 0 ? error : ended;
}

/* Carry out one batch: errors[] of its rows are final, or ENOBUFS. */
static void
run_batch(const struct work *w, const uint32_t *batch, size_t size)
{
	unsigned char request[BATCH * TD_EXACT_SIZE], reply[8192];
	const struct job *job = w->job;
	const char *step;
	size_t i, got;
	int error;

	memset(request, 0, TD_EXACT_SIZE); /* never sent with a size of 0 */
	for (i = 0; i < size; i++)
		td_put_destroy(request + i * TD_EXACT_SIZE, (uint32_t)i + 1,
		    td_rows_at(job->rows, job->indices[batch[i]]), i + 1 == size);
	error = td_send(w->fd, request, size * TD_EXACT_SIZE, &step);
	if (error == -ENOBUFS)
		error = -ENOMEM; /* nothing was sent: no answer got lost */
	else if (error == -EINTR)
		error = -ENOBUFS; /* nobody says what was sent before the signal */
	for (i = 0; i < size; i++)
		job->errors[batch[i]] = error != 0 ? -error : 0;
	while (error == 0) {
		error = td_receive(w->fd, reply, sizeof(reply), &got, &step);
		if (error == -EINTR) {
			error = 0; /* carried out by now: only the answer is awaited */
			continue;
		}
		if (error != 0)
			break;
		error = take_answers(w, reply, got, batch, size);
		if (error == 1)
			return;
	}
	/* Silence meant success, but this silence may be a lost answer. */
	for (i = 0; i < size; i++)
		if (job->errors[batch[i]] == 0)
			job->errors[batch[i]] = ENOBUFS;
}

static int
open_socket(struct work *w, const char **step)
{
	int on = 1, room = 0;
	socklen_t length = sizeof(room);
	int error = td_open_diag(w->job->scope, &w->fd, step);

	/* Shorter answers; a kernel that does not know this sends longer ones. */
	if (error == 0)
		(void)setsockopt(w->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on,
		    sizeof(on));
	w->batch = BATCH;
	if (error == 0 && getsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &room,
		&length) == 0 && room < BATCH * ANSWER)
		w->batch = room < 2 * ANSWER ? 1 : (size_t)room / ANSWER;
	return error;
}

/* After a lost answer the socket may still hold others: take a fresh one. */
static int
reopen_after_loss(struct work *w, const uint32_t *batch, size_t size)
{
	const char *step;
	size_t i;

	for (i = 0; i < size; i++)
		if (w->job->errors[batch[i]] == ENOBUFS) {
			close(w->fd);
			return open_socket(w, &step);
		}
	return 0;
}

/* Know what listens.  A signal ends a dump in the middle: that is another socket's then. */
static int
look_at_listeners(struct work *w)
{
	const char *step;
	int error, tries = TD_TRIES;

	while ((error = td_listeners_look(&w->listeners, w->fd, &step)) ==
		-EINTR || (error == -EAGAIN && --tries > 0)) {
		close(w->fd);
		error = open_socket(w, &step);
		if (error != 0)
			break;
	}
	return error == -ENOBUFS ? -ENOMEM : error; /* no drop's answer got lost */
}

/* 0, or why this row is not to be destroyed: a socket that listens by now is no connection any more. */
static int
refuse_now(const struct work *w, const struct td_row *row)
{
	int error = refuse(row);

	return error == 0 && td_listeners_have(&w->listeners, row->cookie) ?
	    ENOENT :
	    error;
}

static void *
run_work(void *arg)
{
	struct work *w = arg;
	struct job *job = w->job;
	uint32_t batch[BATCH];

	while (w->lost == 0) {
		size_t most = w->batch, size = 0, i;
		size_t at = atomic_fetch_add(&job->next, most);

		if (at >= job->n)
			break;
		w->lost = -look_at_listeners(w);
		for (i = at; i < job->n && i < at + most; i++) {
			job->errors[i] = w->lost != 0 ?
			    w->lost :
			    refuse_now(w,
				td_rows_at(job->rows, job->indices[i]));
			if (job->errors[i] == 0)
				batch[size++] = (uint32_t)i;
		}
		if (size != 0) {
			run_batch(w, batch, size);
			w->lost = -reopen_after_loss(w, batch, size);
		}
	}
	return NULL;
}

int
td_abort_rows(const struct td_rows *rows, const uint32_t *indices, size_t n,
    int *errors, int scope, int threads, const char **step)
{
	struct work work[TD_MAX_THREADS];
	struct job job = {.rows = rows, .indices = indices, .n = n,
	    .errors = errors, .scope = scope};
	int count = td_choose_threads(threads, n), opened, error = 0, k;
	size_t left;

	for (opened = 0; opened < count && error == 0; opened++) {
		work[opened] = (struct work){.job = &job};
		error = open_socket(&work[opened], step);
	}
	if (error == 0)
		td_run_threads(run_work, work, sizeof(work[0]), count);
	for (k = 0; k < opened; k++) {
		if (work[k].fd >= 0)
			close(work[k].fd);
		td_listeners_free(&work[k].listeners);
	}
	/* What no thread took, for all gave up, has no outcome of its own. */
	for (left = atomic_load(&job.next); error == 0 && left < n; left++)
		errors[left] = work[0].lost;
	return error;
}
