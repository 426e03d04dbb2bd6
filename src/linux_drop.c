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
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#ifndef NETLINK_CAP_ACK
#define NETLINK_CAP_ACK 10
#endif

/*
 * 128 have all the gain; more would only hold the CPU for longer.  An answer
 * charges the receive buffer with about 830 bytes, whatever its length.
 */
enum { BATCH = 128, ANSWER = 1024 };

struct work {
	const struct td_rows *rows;
	const uint32_t *indices;
	size_t n;
	int *errors;
	struct td_range range; /* the rows of this thread, by their larger port */
	int scope;
	int fd;
	size_t batch; /* requests that one send() may carry */
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

static int
is_mine(const struct work *w, const struct td_row *row)
{
	uint16_t port = row->lport > row->rport ? row->lport : row->rport;

	return port >= w->range.lo && port <= w->range.hi;
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
			continue; /* a late answer to an earlier batch is not ours */
		error = td_message_errno(&m);
		w->errors[batch[m.seq - 1]] = error < 0 ? EPROTO : error;
		ended |= m.seq == size;
	}
	return error < 0 ? error : ended;
}

/* Carry out one batch: errors[] of its rows are final, or ENOBUFS. */
static void
run_batch(const struct work *w, const uint32_t *batch, size_t size)
{
	unsigned char request[BATCH * TD_EXACT_SIZE], reply[8192];
	const char *step;
	size_t i, got;
	int error;

	memset(request, 0, TD_EXACT_SIZE); /* never sent with a size of 0 */
	for (i = 0; i < size; i++)
		td_put_destroy(request + i * TD_EXACT_SIZE, (uint32_t)i + 1,
		    td_rows_at(w->rows, w->indices[batch[i]]), i + 1 == size);
	error = td_send(w->fd, request, size * TD_EXACT_SIZE, &step);
	if (error == -ENOBUFS)
		error = -ENOMEM; /* nothing was sent: no answer got lost */
	for (i = 0; i < size; i++)
		w->errors[batch[i]] = error != 0 ? -error : 0;
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
		if (w->errors[batch[i]] == 0)
			w->errors[batch[i]] = ENOBUFS;
}

static int
open_socket(struct work *w, const char **step)
{
	int on = 1, room = 0;
	socklen_t length = sizeof(room);
	int error = td_open_diag(w->scope, &w->fd, step);

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
		if (w->errors[batch[i]] == ENOBUFS) {
			close(w->fd);
			return open_socket(w, &step);
		}
	return 0;
}

static void *
run_work(void *arg)
{
	struct work *w = arg;
	uint32_t batch[BATCH];
	size_t size = 0, i;
	int lost = 0;

	for (i = 0; i < w->n; i++) {
		const struct td_row *row = td_rows_at(w->rows, w->indices[i]);

		if (!is_mine(w, row))
			continue;
		w->errors[i] = lost != 0 ? -lost : refuse(row);
		if (w->errors[i] != 0)
			continue;
		batch[size++] = (uint32_t)i;
		if (size == w->batch) {
			run_batch(w, batch, size);
			lost = reopen_after_loss(w, batch, size);
			size = 0;
		}
	}
	if (size != 0)
		run_batch(w, batch, size);
	return NULL;
}

int
td_abort_rows(const struct td_rows *rows, const uint32_t *indices, size_t n,
    int *errors, int scope, int threads, const char **step)
{
	struct work work[TD_MAX_THREADS];
	int count = td_choose_threads(threads, n), opened, error = 0, k;

	for (opened = 0; opened < count && error == 0; opened++) {
		work[opened] = (struct work){.rows = rows, .indices = indices,
		    .n = n, .errors = errors, .scope = scope,
		    .range = td_range_part(opened, count)};
		error = open_socket(&work[opened], step);
	}
	if (error == 0)
		td_run_threads(run_work, work, sizeof(work[0]), count);
	for (k = 0; k < opened; k++)
		if (work[k].fd >= 0)
			close(work[k].fd);
	return error;
}
