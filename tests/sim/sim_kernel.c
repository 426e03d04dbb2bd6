/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_kernel.c - connections in buckets, the abort request's checks in their
 * order, matching with wildcards, and the queue in which victims wait to die.
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 500, INET = 2, INET6 = 26 };

struct sim sim;

static struct sim_conn *heads[SIM_BUCKETS], *tails[SIM_BUCKETS];

/* The dead stay allocated until sim_reset(): the queue may name them. */
static struct sim_conn **all;
static size_t n_all, room_all;

struct death {
	struct sim_conn *conn;
	int end;
};
static struct death *queue;
static size_t queue_first, queue_end, queue_room;
static long since_drain;

/* ---- the population ----------------------------------------------------- */

void
sim_forget_all(void)
{
	size_t i;

	for (i = 0; i < n_all; i++)
		free(all[i]);
	free(all);
	all = NULL;
	n_all = room_all = 0;
	queue_first = queue_end = 0;
	memset(heads, 0, sizeof(heads));
	memset(tails, 0, sizeof(tails));
}

void
sim_reset(void)
{
	long descriptors = sim.descriptors;

	sim_forget_all();
	free(queue);
	queue = NULL;
	queue_room = 0;
	since_drain = 0;
	memset(&sim, 0, sizeof(sim));
	sim.descriptors = descriptors;
	sim.privileged = 1;
	sim.entry4 = 172;
	sim.entry6 = 200;
	sim.sock_info = 1;
	sim.memory = -1;
}

static int
bucket_of(const struct sim_conn *c)
{
	unsigned h = (unsigned)(c->lport << 16 | c->rport);
	int i;

	for (i = 0; i < 16; i++)
		h = (h ^ c->laddr[i] ^ (unsigned)c->raddr[i] << 8) * 16777619u;
	return (int)((h >> 7) % SIM_BUCKETS);
}

struct sim_conn *
sim_add(const struct sim_conn *conn)
{
	struct sim_conn *c = malloc(sizeof(*c));

	if (c == NULL)
		abort();
	*c = *conn;
	if (c->bucket < 0 || c->bucket >= SIM_BUCKETS)
		c->bucket = bucket_of(c);
	c->next = NULL;
	c->dead = c->error = 0;
	if (n_all == room_all) {
		room_all = room_all != 0 ? 2 * room_all : 64;
		all = realloc(all, room_all * sizeof(*all));
		if (all == NULL)
			abort();
	}
	all[n_all++] = c;
	if (tails[c->bucket] != NULL)
		tails[c->bucket]->next = c;
	else
		heads[c->bucket] = c;
	tails[c->bucket] = c;
	return c;
}

static struct sim_conn *
first_from(int bucket)
{
	for (; bucket < SIM_BUCKETS; bucket++)
		if (heads[bucket] != NULL)
			return heads[bucket];
	return NULL;
}

struct sim_conn *
sim_first(void)
{
	return first_from(0);
}

struct sim_conn *
sim_next(const struct sim_conn *conn)
{
	return conn->next != NULL ? conn->next : first_from(conn->bucket + 1);
}

static void
unlink_conn(struct sim_conn *c)
{
	struct sim_conn **at = &heads[c->bucket], *before = NULL;

	for (; *at != c; at = &(*at)->next)
		before = *at;
	*at = c->next;
	if (tails[c->bucket] == c)
		tails[c->bucket] = before;
	c->next = NULL;
}

/* ---- dying -------------------------------------------------------------- */

/* Its program connects the same descriptor anew, to another end. */
static void
reconnect(struct sim_conn *c)
{
	memset(c->raddr + 10, 0xff, 2);
	memcpy(c->raddr + 12, "\12\0\0\11", 4);
	c->rport = 7;
	c->lport = c->reconnects;
	c->state = SIM_ESTABLISHED;
}

/* What waits in the queue looks at the state alone: not whose tuple it is. */
static void
die(struct sim_conn *c, int end)
{
	/* Only the upper end of the range is looked at again. */
	if (c->state <= SIM_BOUND || c->state > end || (c->dead && !c->linger))
		return;
	switch (c->state) {
	case SIM_SYN_SENT:
	case SIM_SYN_RCVD:
		c->error = SIM_ECONNREFUSED;
		break;
	case SIM_ESTABLISHED:
	case SIM_CLOSE_WAIT:
	case SIM_FIN_WAIT_1:
	case SIM_FIN_WAIT_2:
		c->error = SIM_ECONNRESET;
		break;
	default:
		c->error = 0;
	}
	c->dead++;
	if (sim.kill != NULL)
		sim.kill(c);
	if (c->linger) {
		/* The socket goes on without a connection. */
		c->state = c->stream ? SIM_BOUND : SIM_IDLE;
		memset(c->raddr, 0, sizeof(c->raddr));
		c->rport = 0;
		c->lport = c->stream ? c->lport : 0;
		if (c->reconnects != 0)
			reconnect(c);
		return;
	}
	unlink_conn(c);
}

void
sim_drain(long n)
{
	for (; n != 0 && queue_first < queue_end; n--) {
		struct death d = queue[queue_first++];

		die(d.conn, d.end);
	}
	if (queue_first == queue_end)
		queue_first = queue_end = 0;
	since_drain = 0;
}

static void
put_death(struct sim_conn *conn, int end)
{
	if (queue_end == queue_room) {
		queue_room = queue_room != 0 ? 2 * queue_room : 64;
		queue = realloc(queue, queue_room * sizeof(*queue));
		if (queue == NULL)
			abort();
	}
	queue[queue_end].conn = conn;
	queue[queue_end++].end = end;
	sim.queued++;
	if (sim.drain_every != 0 && ++since_drain >= sim.drain_every)
		sim_drain(-1);
}

/* ---- the request -------------------------------------------------------- */

struct wanted {
	int family;
	uint8_t addr[2][16]; /* local, remote; an IPv4 one in the last 4 bytes */
	int any_addr[2];
	uint16_t port[2]; /* network order bytes as they are; 0: any */
	int32_t start, end, zone;
};

static uint16_t
as_sent(uint16_t port)
{
	unsigned char bytes[2];
	uint16_t value;

	bytes[0] = (unsigned char)(port >> 8);
	bytes[1] = (unsigned char)(port & 0xff);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static int
read_request(const unsigned char *bytes, struct wanted *w)
{
	static const uint8_t zeroes[16];
	uint16_t family[2];
	int i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < 2; i++) {
		const unsigned char *at = bytes + 256 * i;

		memcpy(&family[i], at, 2);
		memcpy(&w->port[i], at + 2, 2);
		if (family[i] == INET)
			memcpy(w->addr[i] + 12, at + 4, 4);
		else
			memcpy(w->addr[i], at + 8, 16);
		w->any_addr[i] = memcmp(w->addr[i], zeroes, 16) == 0;
	}
	memcpy(&w->start, bytes + 512, 4);
	memcpy(&w->end, bytes + 516, 4);
	memcpy(&w->zone, bytes + 520, 4);
	w->family = family[0];
	if (w->start < SIM_SYN_SENT || w->start > w->end ||
	    w->end > SIM_TIME_WAIT || family[0] != family[1] ||
	    (family[0] != INET && family[0] != INET6))
		return EINVAL;
	return 0;
}

static int
same_addr(const struct wanted *w, int i, const uint8_t *addr)
{
	if (w->any_addr[i])
		return 1;
	/* Of an IPv4 request the low 32 bits decide, whatever they belong to. */
	return w->family == INET ? memcmp(w->addr[i] + 12, addr + 12, 4) == 0
				 : memcmp(w->addr[i], addr, 16) == 0;
}

static int
matches(const struct wanted *w, const struct sim_conn *c)
{
	return c->state >= SIM_SYN_SENT && c->state >= w->start &&
	    c->state <= w->end && (w->zone == -1 || w->zone == c->zone) &&
	    (w->port[0] == 0 || w->port[0] == as_sent(c->lport)) &&
	    (w->port[1] == 0 || w->port[1] == as_sent(c->rport)) &&
	    same_addr(w, 0, c->laddr) && same_addr(w, 1, c->raddr);
}

/* One bucket; a batch is queued when it is full or the bucket is through. */
static int
search(const struct wanted *w, int bucket, int exact, long *count)
{
	struct sim_conn *batch[BATCH], *c;
	int n, i, error = 0;

	do {
		n = 0;
		for (c = heads[bucket]; c != NULL && n < BATCH; c = c->next) {
			if (!matches(w, c))
				continue;
			if (sim.memory == 0) {
				error = ENOMEM;
				break;
			}
			if (sim.memory > 0)
				sim.memory--;
			batch[n++] = c;
			if (exact)
				break;
		}
		*count += n;
		for (i = 0; i < n; i++)
			put_death(batch[i], w->end);
	} while (n == BATCH && error == 0 && !exact);
	return error;
}

int
sim_abort(const void *bytes, size_t size)
{
	struct wanted w;
	long count = 0;
	int exact, bucket, error;

	sim.requests++;
	if (sim.inspect != NULL)
		sim.inspect(bytes, size);
	if (bytes == NULL || size != SIM_ABORT_SIZE)
		return EINVAL;
	if (!sim.privileged)
		return EPERM;
	error = read_request(bytes, &w);
	if (error != 0)
		return error;
	if (sim.exclusive)
		w.zone = 0;
	if (w.zone == 0 || w.zone == -1 || sim.exclusive)
		sim.console += 2;
	exact = !w.any_addr[0] && !w.any_addr[1] && w.port[0] != 0 &&
	    w.port[1] != 0;
	for (bucket = 0; bucket < SIM_BUCKETS && error == 0; bucket++)
		error = search(&w, bucket, exact, &count);
	sim.logged = count;
	return error != 0 ? error : count == 0 ? ENOENT : 0;
}
