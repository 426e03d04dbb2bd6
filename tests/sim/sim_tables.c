/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_tables.c - the answer to a MIB request as a chain of messages: tables
 * with any size of entry.  Bytes that no reader should look at are 0xa5.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { TCP = 262, TCP6 = 270, IP = 260, SIZES = 228, TOO_MANY = 5000 };

/* Offsets in an entry; 0: not there. */
struct entry {
	uint32_t size;
	uint32_t counters, snxt, suna, rnxt, rack, state, pid, time;
};

static const struct entry entries4[] = {
	{.size = 56, .snxt = 20, .suna = 24, .rnxt = 32, .rack = 36, .state = 52},
	{.size = 68, .snxt = 20, .suna = 24, .rnxt = 32, .rack = 36, .state = 52,
	    .pid = 56, .time = 60},
	{.size = 72, .snxt = 20, .suna = 24, .rnxt = 32, .rack = 36, .state = 52,
	    .pid = 56, .time = 64},
	{.size = 160, .counters = 20, .snxt = 108, .suna = 112, .rnxt = 124,
	    .rack = 128, .state = 156},
	{.size = 168, .counters = 24, .snxt = 112, .suna = 116, .rnxt = 128,
	    .rack = 132, .state = 160},
	{.size = 172, .counters = 20, .snxt = 108, .suna = 112, .rnxt = 124,
	    .rack = 128, .state = 156, .pid = 160, .time = 164},
	{.size = 184, .counters = 24, .snxt = 112, .suna = 116, .rnxt = 128,
	    .rack = 132, .state = 160, .pid = 168, .time = 176},
	{.size = 0},
};

static const struct entry entries6[] = {
	{.size = 84, .snxt = 48, .suna = 52, .rnxt = 60, .rack = 64, .state = 80},
	{.size = 96, .snxt = 48, .suna = 52, .rnxt = 60, .rack = 64, .state = 80,
	    .pid = 84, .time = 88},
	{.size = 188, .counters = 48, .snxt = 136, .suna = 140, .rnxt = 152,
	    .rack = 156, .state = 184},
	{.size = 192, .counters = 48, .snxt = 136, .suna = 140, .rnxt = 152,
	    .rack = 156, .state = 184},
	{.size = 200, .counters = 48, .snxt = 136, .suna = 140, .rnxt = 152,
	    .rack = 156, .state = 184, .pid = 188, .time = 192},
	{.size = 208, .counters = 48, .snxt = 136, .suna = 140, .rnxt = 152,
	    .rack = 156, .state = 184, .pid = 192, .time = 200},
	{.size = 0},
};

/* MIB numbers of SIM_CLOSED, SIM_IDLE, ... SIM_TIME_WAIT. */
static const uint32_t mib_state[] = {1, 1, 1, 2, 3, 4, 5, 8, 6, 10, 9, 7, 11};

static void
put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void
put64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* ---- messages ----------------------------------------------------------- */

void
sim_free_message(struct sim_message *message)
{
	free(message->data);
	free(message);
}

static struct sim_message *
new_message(const uint32_t *control, size_t words)
{
	struct sim_message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	memcpy(m->control, control, 4 * words);
	m->control_size = 4 * words;
	return m;
}

struct sim_message *
sim_error_ack(uint32_t tli_error, uint32_t unix_error)
{
	uint32_t words[4] = {18, 9, 0, 0};
	struct sim_message *m;

	words[2] = tli_error;
	words[3] = unix_error;
	m = new_message(words, 4);
	m->urgent = 1;
	return m;
}

struct chain {
	struct sim_message *first, **end;
};

/* A table of `size` bytes, 0xa5 all over; a NULL data part is the end. */
static struct sim_message *
add_table(struct chain *chain, uint32_t level, uint32_t name, size_t size,
    int end)
{
	uint32_t words[7] = {22, 12, 16, 0x20, 0, 0, 0};
	struct sim_message *m;

	words[4] = level;
	words[5] = name;
	words[6] = (uint32_t)size;
	m = new_message(words, 7);
	if (!end) {
		m->data = malloc(size + 1);
		if (m->data == NULL)
			abort();
		memset(m->data, 0xa5, size + 1);
		m->data_size = size;
	}
	*chain->end = m;
	chain->end = &m->next;
	return m;
}

/* ---- entries ------------------------------------------------------------ */

static const struct entry *
entry_of(const struct entry *at, uint32_t size)
{
	while (at->size != 0 && at->size != size)
		at++;
	return at;
}

static void
put_rest(unsigned char *at, const struct entry *e, const struct sim_conn *c)
{
	if (e->snxt == 0)
		return;
	/* netstat's Send-Q is snxt - suna - 1, Recv-Q rnxt - rack. */
	put32(at + e->suna, 0xfffffff0u);
	put32(at + e->snxt, 0xfffffff0u + (c->sendq != 0 ? c->sendq + 1 : 0));
	put32(at + e->rack, 0xfffffffeu);
	put32(at + e->rnxt, 0xfffffffeu + c->recvq);
	put32(at + e->state, (uint32_t)c->state);
	if (e->pid != 0)
		put32(at + e->pid, c->pid);
	if (e->time != 0)
		put64(at + e->time, c->created);
	if (e->counters != 0) {
		put64(at + e->counters, c->bytes_in);
		put64(at + e->counters + 16, 0);
		put64(at + e->counters + 40, c->bytes_out);
		put64(at + e->counters + 64, c->retrans);
	}
}

static void
put_entry4(unsigned char *at, const struct sim_conn *c)
{
	put32(at, mib_state[c->state - SIM_CLOSED]);
	memcpy(at + 4, c->laddr + 12, 4);
	put32(at + 8, c->lport);
	memcpy(at + 12, c->raddr + 12, 4);
	put32(at + 16, c->rport);
	put_rest(at, entry_of(entries4, sim.entry4), c);
}

static void
put_entry6(unsigned char *at, const struct sim_conn *c)
{
	memcpy(at, c->laddr, 16);
	put32(at + 16, c->lport);
	memcpy(at + 20, c->raddr, 16);
	put32(at + 36, c->rport);
	put32(at + 40, c->ifindex);
	put32(at + 44, mib_state[c->state - SIM_CLOSED]);
	put_rest(at, entry_of(entries6, sim.entry6), c);
}

/* ---- which connection is in which table --------------------------------- */

static int
is_zero(const uint8_t *addr)
{
	static const uint8_t zeroes[16];

	return memcmp(addr, zeroes, 16) == 0;
}

static int
is_mapped(const uint8_t *addr)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	    0xff};

	return memcmp(addr, prefix, 12) == 0;
}

static int
shown(const struct sim_conn *c, uint32_t level)
{
	int any = is_zero(c->laddr);

	if (c->zone != sim.zone && !sim.exclusive)
		return 0;
	if (level == TCP6)
		return c->v6_socket && !is_mapped(c->laddr);
	return !c->v6_socket || is_mapped(c->laddr) ||
	    (any && c->state <= SIM_LISTEN && !c->v6_only);
}

/* IPv4 has no mark of the socket that carries it: only a shadow has one. */
static void
put_info(unsigned char *at, uint64_t row, const struct sim_conn *c,
    uint32_t level)
{
	put64(at, row);
	put64(at + 8, c->inode);
	put64(at + 16, (c->stream ? 1u : 0u) |
		(level == TCP && c->v6_socket && !is_mapped(c->laddr) ? 2u : 0u));
	put64(at + 24, c->stream ? 0x2a00000000u : 0);
}

/* No memory for this one: the same in each run of a test. */
static int
is_lost(unsigned one_of)
{
	static uint32_t seed;

	if (one_of == 0 || sim.short_walks == 0)
		return 0;
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % one_of == 0;
}

static void
shorten(struct sim_message *m, size_t size)
{
	uint32_t len = (uint32_t)size;

	m->data_size = size;
	memcpy(m->control + 24, &len, 4);
}

static void
add_connections(struct chain *chain, uint32_t level)
{
	size_t size = level == TCP ? sim.entry4 : sim.entry6, n = 0;
	struct sim_message *rows, *infos;
	struct chain apart = {NULL, &apart.first};
	unsigned char *at, *info_at;
	uint64_t row = 0;
	struct sim_conn *c;

	for (c = sim_first(); c != NULL; c = sim_next(c))
		n += (size_t)shown(c, level);
	rows = add_table(chain, level, level == TCP ? 13 : 14, n * size, 0);
	infos = add_table(&apart, level, 106, n * 32, 0);
	at = rows->data;
	info_at = infos->data;
	for (c = sim_first(); c != NULL; c = sim_next(c)) {
		if (!shown(c, level))
			continue;
		if (!is_lost(sim.loses)) {
			(level == TCP ? put_entry4 : put_entry6)(at, c);
			at += size;
		}
		if (c->inode != 0 && !is_lost(sim.loses_info)) {
			put_info(info_at, row, c, level);
			info_at += 32;
		}
		row++; /* of the lost ones too */
	}
	shorten(rows, (size_t)(at - rows->data));
	shorten(infos, (size_t)(info_at - infos->data));
	if (sim.sock_info && infos->data_size != 0) {
		*chain->end = infos;
		chain->end = &infos->next;
	} else {
		sim_free_message(infos);
	}
}

static void
add_sizes(struct chain *chain)
{
	unsigned char *at = add_table(chain, TCP, 0, SIZES, 0)->data;
	struct sim_conn *c;
	uint32_t established = 0;

	for (c = sim_first(); c != NULL; c = sim_next(c))
		established += (c->zone == sim.zone || sim.exclusive) &&
		    (c->state == SIM_ESTABLISHED || c->state == SIM_CLOSE_WAIT);
	put32(at + 32, established);
	put32(at + 48, sim.entry4);
	put32(at + 208, sim.entry6);
}

static void
add_ip_tables(struct chain *chain)
{
	static const uint32_t names[] = {0, 20, 21, 22, 105};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)add_table(chain, IP, names[i], 100 + 7 * i, 0);
}

struct sim_message *
sim_tables(uint32_t level)
{
	struct chain chain;
	int lies = sim.fault == SIM_EXTRA_TABLES, i;

	chain.first = NULL;
	chain.end = &chain.first;
	if (sim.fault == SIM_ERROR_TSYSERR)
		return sim_error_ack(8, (uint32_t)sim.fault_errno);
	if (sim.fault == SIM_ERROR_TLI)
		return sim_error_ack(16, 0);
	if (sim.fault == SIM_ERROR_TACCES)
		return sim_error_ack(3, 0);
	if (lies || level != TCP)
		add_ip_tables(&chain);
	if (sim.fault != SIM_END_ONLY) {
		if (sim.fault != SIM_NO_SIZES)
			add_sizes(&chain);
		if (lies)
			(void)add_table(&chain, TCP, 105, 48, 0);
		add_connections(&chain, TCP);
		if (sim.fault == SIM_TWICE)
			add_connections(&chain, TCP);
		if (lies)
			(void)add_table(&chain, 9999, 13, 5, 0);
		add_connections(&chain, TCP6);
	}
	if (lies || sim.everything)
		add_ip_tables(&chain);
	for (i = 0; sim.fault == SIM_ENDLESS && i < TOO_MANY; i++)
		(void)add_table(&chain, 9999, 0, 0, 0);
	sim_spoil(chain.first);
	(void)add_table(&chain, 0, 0, 0, 1);
	if (sim.short_walks > 0)
		sim.short_walks--;
	if (sim.fault == SIM_ERROR_LATE)
		*chain.end = sim_error_ack(8, (uint32_t)sim.fault_errno);
	return chain.first;
}
