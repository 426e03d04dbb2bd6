/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_sunos.c - what the backend adds to the kernel's work, on simulated
 * connections.  The floor is a program that has the tables' bytes in memory and
 * reads each entry once.  Times are the processor's, medians of several runs
 * of both, side by side; the simulator's own work is taken off by timing a
 * reader that throws the bytes away.
 */
#define SIM_INSIDE
#include "../sim/include/stropts.h"
#include "../sim/sim.h"
#include "../../src/mib2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS = 100000, RUNS = 11, DROPS = 200, ENTRY = 172 };

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static double
median(double *times)
{
	qsort(times, RUNS, sizeof(*times), compare);
	return times[RUNS / 2];
}

static void
populate(void)
{
	struct sim_conn c;
	int i;

	sim_reset();
	memset(&c, 0, sizeof(c));
	memcpy(c.laddr, "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1", 16);
	memcpy(c.raddr, "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\2", 16);
	c.lport = 443;
	c.pid = 7;
	c.bucket = -1;
	for (i = 0; i < CONNECTIONS; i++) {
		c.rport = (uint16_t)(i % 60000 + 1024);
		c.raddr[15] = (uint8_t)(2 + i / 60000);
		c.created = 1000 + (uint64_t)i;
		c.inode = 1 + (uint64_t)i;
		(void)sim_add(&c);
	}
}

/* Read the answer as the backend does, and keep the IPv4 table's bytes. */
static size_t
receive(unsigned char *table, size_t room)
{
	uint32_t request[7] = {9, 12, 16, 0x80, 262, 0, 1}, words[16];
	struct strbuf control = {64, 28, NULL}, data = {0, 0, NULL};
	unsigned char *scratch = malloc(room);
	size_t size = 0;
	int fd = sim_open("/dev/arp", O_RDWR), flags = 0;

	if (scratch == NULL)
		abort();
	control.buf = (char *)request;
	(void)sim_putmsg(fd, &control, NULL, 0);
	control.buf = (char *)words;
	for (;;) {
		flags = 0;
		if (sim_getmsg(fd, &control, NULL, &flags) != MOREDATA)
			break;
		data.maxlen = (int)room;
		data.buf = (char *)(words[4] == 262 && words[5] == 13 ? table
								      : scratch);
		flags = 0;
		(void)sim_getmsg(fd, NULL, &data, &flags);
		if (words[4] == 262 && words[5] == 13)
			size = (size_t)data.len;
	}
	sim_close(fd);
	free(scratch);
	return size;
}

/* The floor: each entry's tuple, state, creator and time into a row. */
static uint64_t
parse(const unsigned char *table, size_t size, struct td_row *rows)
{
	uint64_t sum = 0;
	size_t i, n = size / ENTRY;

	for (i = 0; i < n; i++, table += ENTRY) {
		struct td_row *row = &rows[i];
		uint32_t port;

		memset(row, 0, sizeof(*row));
		row->state = table[0];
		memcpy(row->laddr, table + 4, 4);
		memcpy(&port, table + 8, 4);
		row->lport = (uint16_t)port;
		memcpy(row->raddr, table + 12, 4);
		memcpy(&port, table + 16, 4);
		row->rport = (uint16_t)port;
		memcpy(&row->pid, table + 160, 4);
		memcpy(&row->created, table + 164, 8);
		sum += row->created;
	}
	return sum;
}

/* mib2.c on those bytes, without 106: what the backend makes of them. */
static void
take(const unsigned char *table, size_t size, struct td_rows *rows)
{
	unsigned char sizes[TD_TCP_SIZE];
	struct td_mib2_reply reply = {TD_MIB2_TCP, 0, sizeof(sizes)};
	struct td_query query;
	struct td_mib2 walk;
	uint32_t entry = ENTRY;

	memset(sizes, 0, sizeof(sizes));
	memcpy(sizes + TD_TCP_ENTRY4, &entry, 4);
	memset(&walk, 0, sizeof(walk));
	memset(rows, 0, sizeof(*rows));
	memset(&query, 0, sizeof(query));
	rows->stride = sizeof(struct td_row);
	query.states = TD_ALL_STATES;
	walk.rows = rows;
	if (td_mib2_take(&walk, &reply, sizes, sizeof(sizes)) != 0)
		abort();
	reply.name = TD_MIB2_TCP_CONN;
	if (td_mib2_take(&walk, &reply, table, size) != 0 ||
	    td_mib2_finish(&walk, &query) != 0 || rows->count != CONNECTIONS)
		abort();
}

static void
list(struct td_rows *rows)
{
	struct td_query query;
	const char *step = "";

	memset(&query, 0, sizeof(query));
	memset(rows, 0, sizeof(*rows));
	rows->stride = sizeof(struct td_row);
	query.states = TD_ALL_STATES;
	query.scope = TD_OWN_SCOPE;
	if (td_list(&query, rows, &step) != 0 || rows->count != CONNECTIONS)
		abort();
}

static void
bench_list(void)
{
	static double received[RUNS], parsed[RUNS], taken[RUNS],
	    listed[RUNS];
	size_t room = (size_t)CONNECTIONS * ENTRY + 4096, size = 0;
	unsigned char *table = malloc(room);
	struct td_rows rows;
	uint64_t sum = 0;
	double base, floor_ms, mib2, ours;
	int i;

	for (i = 0; i < RUNS; i++) {
		struct td_row *plain = malloc(CONNECTIONS * sizeof(*plain));
		double t = now();

		if (table == NULL || plain == NULL)
			abort();
		size = receive(table, room);
		received[i] = now() - t;
		t = now();
		sum += parse(table, size, plain);
		parsed[i] = now() - t;
		free(plain);
		t = now();
		take(table, size, &rows);
		taken[i] = now() - t;
		td_rows_free(&rows);
		t = now();
		list(&rows);
		listed[i] = now() - t;
		td_rows_free(&rows);
	}
	base = median(received);
	floor_ms = median(parsed);
	mib2 = median(taken);
	ours = median(listed);
	printf("walk, simulator and copying alone  %7.2f ms (%zu bytes)\n", base, size);
	printf("parsing the same bytes in C        %7.2f ms (%llu)\n", floor_ms,
	    (unsigned long long)(sum % 10));
	printf("mib2.c on the same bytes           %7.2f ms: %.2f times the floor\n", mib2,
	    mib2 / floor_ms);
	printf("td_list()                          %7.2f ms\n", ours);
	printf("all of it, to receiving + parsing  %7.2f\n", ours / (base + floor_ms));
	free(table);
}

static void
bench_drop(void)
{
	static uint32_t indices[DROPS];
	static int errors[DROPS];
	struct td_rows rows;
	const char *step = "";
	double t;
	int i, bad = 0;

	list(&rows);
	for (i = 0; i < DROPS; i++)
		indices[i] = (uint32_t)(i * (CONNECTIONS / DROPS));
	sim.walks = sim.requests = sim.opens = 0;
	t = now();
	if (td_abort_rows(&rows, indices, DROPS, errors, TD_OWN_SCOPE, 0, &step) != 0)
		abort();
	t = now() - t;
	for (i = 0; i < DROPS; i++)
		bad += errors[i] != 0;
	printf("dropping %d of them: %ld walk, %ld ioctls, %ld opens, %d failed, %.0f ms (the model's search mostly)\n",
	    DROPS, sim.walks, sim.requests, sim.opens, bad, t);
	td_rows_free(&rows);
}

int
main(void)
{
	populate();
	bench_list();
	bench_drop();
	sim_reset();
	return 0;
}
