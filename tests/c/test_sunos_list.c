/* SPDX-License-Identifier: BSD-2-Clause */
/* test_sunos_list.c - the SunOS backend on the simulator: what it lists and finds. */
#include "../../src/backend.h"
#include "../sim/sim.h"
#include "sunos_test.h"
#include "sunos_tools.h"

#include <errno.h>

/* ---- listing ------------------------------------------------------------ */

static const struct td_row *
find_port(const struct td_rows *rows, uint16_t lport)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		if (td_rows_at(rows, i)->lport == lport)
			return td_rows_at(rows, i);
	return NULL;
}

struct size_case {
	uint32_t entry4, entry6;
	int pid, queues, counters, info;
};

static const struct size_case sizes[] = {
	{56, 84, 0, 1, 0, 0}, {68, 96, 1, 1, 0, 0}, {72, 96, 1, 1, 0, 0},
	{160, 188, 0, 1, 1, 0}, {168, 192, 0, 1, 1, 0},
	{172, 200, 1, 1, 1, 1}, {184, 208, 1, 1, 1, 1},
	{300, 320, 0, 0, 0, 0}, {20, 48, 0, 0, 0, 0}};

static void
list_size(const struct size_case *s)
{
	struct td_rows rows;
	const struct td_row *row;
	const struct td_info *info;

	sim_reset();
	sim.entry4 = s->entry4;
	sim.entry6 = s->entry6;
	populate();
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	/* ESTABLISHED, CLOSE_WAIT, ::80 once, V6ONLY 81, idle, TIME_WAIT, mapped */
	CHECK_EQUAL(rows.count, s->pid ? 7 : 8); /* no identity: both shown */
	row = find_port(&rows, 22);
	CHECK(row != NULL && row->family == 4 && row->rport == 5000);
	CHECK_EQUAL(row->state, TD_STATE_ESTABLISHED);
	CHECK(memcmp(row->laddr, "\12\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	CHECK(memcmp(row->raddr, "\12\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	CHECK_EQUAL(row->pid, s->pid ? 100 : 0);
	CHECK_EQUAL(row->created, s->pid ? 1000 : 0);
	CHECK_EQUAL(row->cookie, s->pid ? 1000ll << 24 | 100 : 0);
	CHECK_EQUAL(row->inode, s->info ? 1 : 0);
	CHECK_EQUAL(row->flags, s->queues ? TD_ROW_QUEUES : 0);
	CHECK_EQUAL(row->recvq, s->queues ? 7 : 0);
	CHECK_EQUAL(row->sendq, s->queues ? 9 : 0);
	info = td_rows_info(&rows, (struct td_row *)(uintptr_t)row);
	CHECK_EQUAL(info->known, s->counters ? TD_INFO_BYTES | TD_INFO_RETRANS : 0);
	CHECK_EQUAL(info->bytes_received, s->counters ? 11 : 0);
	CHECK_EQUAL(info->bytes_sent, s->counters ? 12 : 0);
	CHECK_EQUAL(info->retrans, s->counters ? 13 : 0);
	row = find_port(&rows, 443);
	CHECK(row != NULL && row->family == 6 && row->ifindex == 3);
	CHECK_EQUAL(row->state, TD_STATE_CLOSE_WAIT);
	CHECK_EQUAL(row->pid, s->pid ? 101 : 0);
	row = find_port(&rows, 80);
	CHECK(row != NULL && row->state == TD_STATE_LISTEN);
	CHECK_EQUAL(row->flags, s->pid ? TD_ROW_DUAL : 0); /* its shadow says so */
	CHECK(!s->pid || row->family == 6);
	row = find_port(&rows, 99); /* IPv4 carried by an IPv6 socket */
	CHECK(row != NULL && row->family == 4);
	CHECK(memcmp(row->laddr, "\12\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	CHECK(find_port(&rows, 24) == NULL); /* another zone */
	td_rows_free(&rows);
	CHECK_EQUAL(sim.descriptors, 0);
}

static void
list_all_sizes(void)
{
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		list_size(&sizes[i]);
}

static size_t
count_port(const struct td_rows *rows, uint16_t lport)
{
	size_t i, n = 0;

	for (i = 0; i < rows->count; i++)
		n += td_rows_at(rows, i)->lport == lport;
	return n;
}

/*
 * IPv6 sockets on every address, listening, bound and idle, and beside them one
 * of each kind that has no shadow: each is listed once, whatever of table 106
 * there is and however little tells them apart.
 */
static void
shadows_once(int sock_info, uint64_t created, int told)
{
	static const int states[] = {SIM_LISTEN, SIM_BOUND, SIM_IDLE, SIM_CLOSED};
	struct td_rows rows;
	struct sim_conn *c;
	uint16_t port;
	size_t i;

	sim_reset();
	sim.sock_info = sock_info;
	for (i = 0; i < 4; i++) {
		port = (uint16_t)(states[i] == SIM_IDLE ? 0 : 70 + i);
		c = give(add("::", port, "::", 0, states[i]), 200, told ? 9 + i : 0);
		c->created = created;
		/* Another process's, for IPv4: nobody's shadow. */
		c = give(add("0.0.0.0", port, "0.0.0.0", 0, states[i]), 201, 0);
		c->created = created;
		c = give(add("::", port, "::", 0, states[i]), 202, 0);
		c->created = created;
		c->v6_only = 1;
	}
	/* One that table 106 does tell of, and whose row it marks. */
	give(add("::", 90, "::", 0, SIM_LISTEN), 203, 33)->created = created;
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQUAL(count_port(&rows,
				(uint16_t)(states[i] == SIM_IDLE ? 0 : 70 + i)),
		    3);
	CHECK_EQUAL(count_port(&rows, 90), 1);
	CHECK_EQUAL(rows.count, 13);
	for (i = 0; i < rows.count; i++) {
		const struct td_row *row = td_rows_at(&rows, i);

		CHECK_EQUAL(row->family, row->pid == 201 ? 4 : 6);
		CHECK_EQUAL(row->flags & ~TD_ROW_QUEUES,
		    row->pid == 200 || row->pid == 203 ? TD_ROW_DUAL : 0);
	}
	td_rows_free(&rows);
}

/* As many idle sockets of one moment as there are: none more, none less. */
static void
many_idle(void)
{
	struct td_rows rows;
	int i;

	sim_reset();
	sim.sock_info = 0;
	for (i = 0; i < 600; i++)
		give(add(i % 3 == 0 ? "0.0.0.0" : "::", 0,
			 i % 3 == 0 ? "0.0.0.0" : "::", 0, SIM_IDLE),
		    300, 0);
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(rows.count, 600);
	td_rows_free(&rows);
}

static void
shadows(void)
{
	int sock_info, told;

	for (sock_info = 0; sock_info < 2; sock_info++)
		for (told = 0; told < 2; told++) {
			shadows_once(sock_info, 1000, told);
			shadows_once(sock_info, 0, told);
		}
	many_idle();
}

/* Two listeners on one port, without table 106: neither is the other's shadow. */
static void
two_listeners(void)
{
	struct td_rows rows;

	sim_reset();
	sim.entry4 = 68;
	sim.entry6 = 96;
	give(add("0.0.0.0", 80, "0.0.0.0", 0, SIM_LISTEN), 7, 0);
	give(add("::", 80, "::", 0, SIM_LISTEN), 8, 0)->v6_only = 1;
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(rows.count, 2);
	td_rows_free(&rows);
}

static void
list_filters(void)
{
	struct td_query query;
	struct td_rows rows;
	const char *step = "";
	int k;

	for (k = 0; k < 4; k++) {
		sim_reset();
		populate();
		memset(&query, 0, sizeof(query));
		memset(&rows, 0, sizeof(rows));
		rows.stride = sizeof(struct td_row);
		query.scope = TD_OWN_SCOPE;
		query.states = k == 0 ? 1u << TD_STATE_TIME_WAIT : TD_ALL_STATES;
		query.sport = k == 1 ? 80 : 0;
		query.dport = k == 2 ? 5000 : 0;
		query.scope = k == 3 ? 0 : TD_OWN_SCOPE;
		CHECK_EQUAL(td_list(&query, &rows, &step), 0);
		CHECK_EQUAL(rows.count, k == 3 ? 7 : 1);
		td_rows_free(&rows);
	}
	query.scope = 5;
	CHECK_EQUAL(td_list(&query, &rows, &step), -ENOTSUP);
	query.scope = -1;
	CHECK_EQUAL(td_list(&query, &rows, &step), -ENOTSUP);
	query.scope = TD_OWN_SCOPE;
	query.program = "x";
	query.program_size = 1;
	CHECK_EQUAL(td_list(&query, &rows, &step), -ENOTSUP);
	CHECK_EQUAL(sim.walks, 1);
}

/* ---- looking up --------------------------------------------------------- */

static void
lookups(void)
{
	struct td_tuple t;
	struct td_row row;
	const char *step = "";

	sim_reset();
	populate();
	t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	CHECK(row.pid == 100 && row.family == 4);
	t = tuple("::ffff:10.0.0.1", 22, "::ffff:10.0.0.2", 5000);
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	CHECK_EQUAL(row.pid, 100);
	t = tuple("10.0.0.1", 99, "10.0.0.2", 5003); /* mapped, asked as IPv4 */
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	CHECK_EQUAL(row.pid, 106);
	t = tuple("10.0.0.2", 5000, "10.0.0.1", 22);
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), -ENOENT);
	t = tuple("10.0.0.1", 24, "10.0.0.2", 5002); /* another zone's */
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), -ENOENT);
	CHECK_EQUAL(td_lookup(&t, 5, &row, &step), -ENOTSUP);
	t = tuple("2001:db8::1", 443, "2001:db8::2", 1);
	t.ifindex = 3;
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	t.ifindex = 4;
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), -ENOENT);
	sim.putmsg_eintr = 1; /* a signal ends a walk: it is begun again */
	t.ifindex = 0;
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	CHECK_EQUAL(sim.descriptors, 0);
}

int
main(void)
{
	int before = open_files();

	list_all_sizes();
	shadows();
	two_listeners();
	list_filters();
	lookups();
	CHECK_EQUAL(sim.descriptors, 0);
	CHECK_EQUAL(open_files(), before);
	(void)inspect;
	sim_reset();
	return test_result("test_sunos_list");
}
