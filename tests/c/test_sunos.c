/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sunos.c - the SunOS backend on the simulator: what it aborts and what it
 * refuses.  Every request's bytes are inspected.
 */
#include "../../src/backend.h"
#include "../sim/sim.h"
#include "sunos_test.h"
#include "sunos_tools.h"

#include <errno.h>

/* ---- aborting one ------------------------------------------------------- */

static void
abort_one(void)
{
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct sim_conn *a, *six;
	struct td_row row;
	const char *step = "";

	sim_reset();
	a = populate();
	/* The one that a request of family AF_INET would hit as well. */
	six = add("2001:db8::a00:1", 22, "2001:db8::a00:2", 5000, SIM_ESTABLISHED);
	sim.inspect = inspect;
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), 0);
	CHECK_EQUAL(sim.walks, 0);
	CHECK_EQUAL(sim.requests, 1);
	/* Drop, list at once: still there.  The queue runs: gone. */
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	sim_drain(-1);
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), -ENOENT);
	CHECK(a->dead && a->error == SIM_ECONNRESET && !six->dead);
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOENT);
	CHECK_EQUAL(sim.descriptors, 0);
}

static void
abort_identity(void)
{
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct sim_conn *a;
	struct td_row row;
	const char *step = "";

	sim_reset();
	a = populate();
	sim.inspect = inspect;
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	t.cookie = row.cookie;
	a->created++; /* the tuple was used again */
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOENT);
	CHECK_EQUAL(sim.requests, 0);
	a->created--;
	a->pid++;
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOENT);
	CHECK_EQUAL(sim.requests, 0);
	a->pid--;
	CHECK_EQUAL(abort_in(&t, 5, &step), -ENOTSUP); /* cannot be compared */
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), 0);
	sim_drain(-1);
	CHECK(a->dead);
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOENT);
	CHECK_EQUAL(sim.requests, 1);
	CHECK_EQUAL(sim.descriptors, 0);
}

static void
abort_zones(void)
{
	struct td_tuple t = tuple("10.0.0.1", 24, "10.0.0.2", 5002);
	static const struct {
		int scope, answer;
	} cases[] = {{TD_OWN_SCOPE, -ENOENT}, {0, -ENOENT}, {4, -ENOENT},
		{5, 0}, {-1, 0}, {-2, -EINVAL}};
	struct sim_conn *other;
	const char *step = "";
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sim_reset();
		other = add("10.0.0.1", 24, "10.0.0.2", 5002, SIM_ESTABLISHED);
		other->zone = 5;
		sim.inspect = inspect;
		CHECK_EQUAL(abort_in(&t, cases[i].scope, &step), cases[i].answer);
		sim_drain(-1);
		CHECK_EQUAL(other->dead, cases[i].answer == 0);
	}
}

static void
abort_unprivileged(void)
{
	struct td_tuple here = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct td_tuple nowhere = tuple("10.0.0.1", 22, "10.0.0.2", 5001);
	const char *step = "";

	sim_reset();
	populate();
	sim.privileged = 0;
	CHECK_EQUAL(abort_in(&here, TD_OWN_SCOPE, &step), -EPERM);
	CHECK(strcmp(step, "TCP_IOC_ABORT_CONN") == 0);
	/* The kernel says EPERM first; nothing there is still the answer. */
	CHECK_EQUAL(abort_in(&nowhere, TD_OWN_SCOPE, &step), -ENOENT);
	CHECK_EQUAL(td_probe(TD_OWN_SCOPE, &step), -EPERM);
	CHECK_EQUAL(sim.descriptors, 0);
}

static void
abort_link_local(void)
{
	struct td_tuple t = tuple("fe80::1", 22, "fe80::2", 5000);
	struct sim_conn *a, *b;
	struct td_row row;
	const char *step = "";

	sim_reset();
	a = add("fe80::1", 22, "fe80::2", 5000, SIM_ESTABLISHED);
	a->ifindex = 2;
	b = add("fe80::1", 22, "fe80::2", 5000, SIM_ESTABLISHED);
	b->ifindex = 3;
	b->created = a->created + 5;
	/* The kernel cannot tell them apart, so neither dies. */
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), -ENOTUNIQ);
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOTUNIQ);
	t.ifindex = 3;
	CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
	CHECK_EQUAL(row.ifindex, 3);
	t.cookie = row.cookie;
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -ENOTUNIQ);
	CHECK_EQUAL(abort_in(&t, 5, &step), -ENOTSUP);
	CHECK_EQUAL(sim.requests, 0);
	a->state = SIM_CLOSED;
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), 0);
	sim_drain(-1);
	CHECK(b->dead);
}

/* ---- wildcards ---------------------------------------------------------- */

static void
wildcards(void)
{
	static const struct {
		const char *laddr;
		uint16_t lport;
		const char *raddr;
		uint16_t rport;
	} wild[] = {
		{"0.0.0.0", 22, "10.0.0.2", 5000},
		{"10.0.0.1", 22, "0.0.0.0", 5000},
		{"10.0.0.1", 0, "10.0.0.2", 5000},
		{"10.0.0.1", 22, "10.0.0.2", 0},
		{"::", 443, "2001:db8::2", 1},
		{"2001:db8::1", 443, "::", 1},
		{"::ffff:0.0.0.0", 22, "::ffff:10.0.0.2", 5000},
		{"::ffff:10.0.0.1", 22, "2001:db8::2", 1},
	};
	struct td_tuple t;
	const char *step = "";
	size_t i;
	int scope;

	for (i = 0; i < sizeof(wild) / sizeof(*wild); i++)
		for (scope = -1; scope < 2; scope++) {
			sim_reset();
			populate();
			t = tuple(wild[i].laddr, wild[i].lport, wild[i].raddr,
			    wild[i].rport);
			CHECK_EQUAL(abort_in(&t, scope == 1 ? TD_OWN_SCOPE : scope,
					&step),
			    -EINVAL);
			/* Refused before anything was opened. */
			CHECK_EQUAL(sim.opens, 0);
		}
}

/* ---- many --------------------------------------------------------------- */

enum { MANY = 2000 };

static void
abort_many(void)
{
	static uint32_t indices[MANY];
	static int errors[MANY];
	static struct sim_conn *conns[MANY];
	struct td_rows rows;
	const char *step = "";
	size_t i, n;
	int reused = 0;

	sim_reset();
	for (i = 0; i < MANY; i++) {
		conns[i] = add(i % 2 ? "10.0.0.1" : "2001:db8::1", 22,
		    i % 2 ? "10.0.0.2" : "2001:db8::2", (uint16_t)(1000 + i),
		    SIM_ESTABLISHED);
		conns[i]->pid = 7;
	}
	(void)add("::", 22, "::", 0, SIM_LISTEN);
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(rows.count, MANY + 1);
	for (i = n = 0; i < rows.count; i++)
		if (td_rows_at(&rows, i)->state != TD_STATE_LISTEN)
			indices[n++] = (uint32_t)i;
	for (i = 0; i < MANY; i += 100)
		conns[i]->created += 1; /* another connection by now */
	sim.inspect = inspect;
	sim.walks = sim.opens = 0;
	CHECK_EQUAL(td_abort_rows(&rows, indices, n, errors, TD_OWN_SCOPE, 0,
			&step),
	    0);
	CHECK_EQUAL(sim.walks, 1);
	CHECK_EQUAL(sim.opens, 2); /* one walk, one /dev/tcp */
	CHECK_EQUAL(sim.requests, MANY - MANY / 100);
	sim_drain(-1);
	for (i = 0; i < n; i++)
		reused += errors[i] == ENOENT;
	CHECK_EQUAL(reused, MANY / 100);
	for (i = 0; i < MANY; i++)
		CHECK_EQUAL(conns[i]->dead, i % 100 != 0);
	/* Listeners are never touched, whoever asks. */
	for (i = 0; i < rows.count; i++)
		if (td_rows_at(&rows, i)->state == TD_STATE_LISTEN)
			indices[0] = (uint32_t)i;
	sim.requests = 0;
	CHECK_EQUAL(td_abort_rows(&rows, indices, 1, errors, 0, 0, &step), 0);
	CHECK_EQUAL(errors[0], ENOENT);
	CHECK_EQUAL(sim.requests, 0);
	CHECK_EQUAL(td_abort_rows(&rows, indices, 1, errors, 5, 0, &step),
	    -ENOTSUP);
	CHECK_EQUAL(td_abort_rows(&rows, indices, 1, errors, -1, 0, &step),
	    -ENOTSUP);
	td_rows_free(&rows);
	CHECK_EQUAL(sim.descriptors, 0);
}

/* Two rows that the kernel cannot tell apart: neither dies. */
static void
abort_many_ambiguous(void)
{
	static const uint32_t indices[3] = {0, 1, 2};
	int errors[3] = {-1, -1, -1}, ambiguous = 0, dropped = 0, i;
	struct td_rows rows;
	const char *step = "";

	sim_reset();
	add("fe80::1", 22, "fe80::2", 5000, SIM_ESTABLISHED)->ifindex = 2;
	add("fe80::1", 22, "fe80::2", 5000, SIM_ESTABLISHED)->ifindex = 3;
	add("fe80::1", 22, "fe80::2", 5001, SIM_ESTABLISHED)->ifindex = 2;
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(td_abort_rows(&rows, indices, 3, errors, TD_OWN_SCOPE, 0,
			&step),
	    0);
	for (i = 0; i < 3; i++) {
		ambiguous += errors[i] == ENOTUNIQ;
		dropped += errors[i] == 0;
	}
	CHECK_EQUAL(ambiguous, 2);
	CHECK_EQUAL(dropped, 1);
	CHECK_EQUAL(sim.requests, 1);
	td_rows_free(&rows);
}

/*
 * A program connects the descriptor of a dropped connection anew.  A second
 * request that waited behind the first would end that one: there is none,
 * however often a row is named.
 */
static void
abort_once_each(void)
{
	static const uint32_t indices[4] = {0, 0, 1, 0};
	int errors[4] = {-1, -1, -1, -1};
	struct sim_conn *c[2];
	struct td_rows rows;
	const char *step = "";
	int i;

	sim_reset();
	for (i = 0; i < 2; i++) {
		c[i] = add("10.0.0.1", 22, "10.0.0.2", (uint16_t)(5000 + i),
		    SIM_ESTABLISHED);
		c[i]->linger = 1;
		c[i]->reconnects = (uint16_t)(40000 + i);
	}
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(td_abort_rows(&rows, indices, 4, errors, TD_OWN_SCOPE, 0,
			&step),
	    0);
	for (i = 0; i < 4; i++)
		CHECK_EQUAL(errors[i], 0);
	CHECK_EQUAL(sim.requests, 2);
	sim_drain(-1);
	for (i = 0; i < 2; i++) {
		CHECK_EQUAL(c[i]->dead, 1);
		CHECK_EQUAL(c[i]->state, SIM_ESTABLISHED);
		CHECK_EQUAL(c[i]->lport, 40000 + i);
	}
	td_rows_free(&rows);
	/* One that the kernel refused does not wait: it may be asked again. */
	sim.abort_errno = EAGAIN;
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(td_abort_rows(&rows, indices, 2, errors, TD_OWN_SCOPE, 0,
			&step),
	    0);
	CHECK(errors[0] == EAGAIN && errors[1] == EAGAIN);
	td_rows_free(&rows);
}

/* ---- the rest ----------------------------------------------------------- */

static void
the_rest(void)
{
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct td_interface *interfaces = NULL;
	uint32_t *indices = NULL;
	const char *step = "";
	struct sim_conn *a;
	size_t n = 0;

	sim_reset();
	a = populate();
	sim.inspect = inspect;
	CHECK_EQUAL(td_probe(TD_OWN_SCOPE, &step), 0);
	sim_drain(-1);
	CHECK(!a->dead && sim.queued == 0);
	CHECK_EQUAL(sim.console, 0); /* not a word on the console */
	sim.exclusive = 1;
	CHECK_EQUAL(td_probe(TD_OWN_SCOPE, &step), 0);
	CHECK_EQUAL(sim.console, 2); /* there no probe is silent */
	sim.exclusive = 0;
	CHECK_EQUAL(td_abort_descriptor(0, &t, &step), -ENOTSUP);
	CHECK_EQUAL(td_interfaces(TD_OWN_SCOPE, &interfaces, &n, &step), 0);
	CHECK(n > 0 && interfaces[0].index > 0 && interfaces[0].name[0] != '\0');
	free(interfaces);
	CHECK_EQUAL(td_interfaces(5, &interfaces, &n, &step), -ENOTSUP);
	CHECK_EQUAL(td_ifindices(TD_OWN_SCOPE, &indices, &n, &step), -ENOTSUP);
	CHECK(strcmp(td_backend, "sunos") == 0);
}

int
main(void)
{
	int before = open_files();

	abort_one();
	abort_identity();
	abort_zones();
	abort_unprivileged();
	abort_link_local();
	wildcards();
	abort_many();
	abort_many_ambiguous();
	abort_once_each();
	the_rest();
	CHECK_EQUAL(sim.descriptors, 0);
	CHECK_EQUAL(open_files(), before);
	CHECK(inspected > MANY - MANY / 100);
	sim_reset();
	return test_result("test_sunos");
}
