/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sunos_faults.c - what a kernel can do wrong, each with the answer that
 * the backend gives: a correct result or an errno with its step, and never an
 * open descriptor.
 */
#include "../../src/backend.h"
#include "../sim/sim.h"
#include "sunos_test.h"
#include "sunos_tools.h"

#include <errno.h>
#include <stdio.h>

enum { GOOD = 7 }; /* rows of populate() in the caller's zone, each once */

static const struct {
	enum sim_fault fault;
	int fault_errno;
	int answer;
	const char *step;
} replies[] = {
	{SIM_NO_FAULT, 0, 0, NULL},
	{SIM_ERROR_TSYSERR, ENXIO, -ENXIO, "MIB2 reply"},
	{SIM_ERROR_TSYSERR, 0, -EPROTO, "MIB2 reply"}, /* no "errno 0" */
	{SIM_ERROR_TSYSERR, ENOMEM, -EAGAIN, "MIB2 reply"},
	{SIM_ERROR_TLI, 0, -EPROTO, "MIB2 reply"},
	{SIM_ERROR_TACCES, 0, -EACCES, "MIB2 reply"},
	{SIM_ERROR_LATE, ENOSR, -ENOSR, "MIB2 reply"},
	{SIM_END_ONLY, 0, -EAGAIN, "MIB2 tables"},
	{SIM_NO_SIZES, 0, -EPROTO, "table"},
	{SIM_SHORT_SIZES, 0, -EPROTO, "table"},
	{SIM_ODD_LENGTH, 0, -EPROTO, "table"},
	{SIM_SHORT_DATA, 0, 0, NULL},
	{SIM_LONG_DATA, 0, 0, NULL},
	{SIM_HUGE_LENGTH, 0, -EMSGSIZE, "table"},
	{SIM_SMALL_ENTRY, 0, -EPROTO, "table"},
	{SIM_ZERO_ENTRY, 0, -EPROTO, "table"},
	{SIM_EXTRA_TABLES, 0, 0, NULL},
	{SIM_INFO_RANGE, 0, 0, NULL},
	{SIM_INFO_OLD, 0, 0, NULL},
	{SIM_TWICE, 0, -EPROTO, "table"},
	{SIM_SHORT_CONTROL, 0, -EPROTO, "MIB2 reply"},
	{SIM_BAD_PRIMITIVE, 0, -EPROTO, "MIB2 reply"},
	{SIM_NOT_SUCCESS, 0, -EPROTO, "MIB2 reply"},
	{SIM_MORE_CONTROL, 0, -EPROTO, "MIB2 reply"},
	{SIM_NO_DATA_PART, 0, -EPROTO, "MIB2 reply"},
	{SIM_ENDLESS, 0, -EPROTO, "table"},
};

static void
walk(int answer, const char *wanted_step)
{
	struct td_query query;
	struct td_rows rows;
	const char *step = "";

	memset(&query, 0, sizeof(query));
	memset(&rows, 0, sizeof(rows));
	query.states = TD_ALL_STATES;
	query.scope = TD_OWN_SCOPE;
	rows.stride = sizeof(struct td_row);
	CHECK_EQUAL(td_list(&query, &rows, &step), answer);
	if (answer == 0)
		CHECK_EQUAL(rows.count, GOOD);
	if (wanted_step != NULL && strcmp(step, wanted_step) != 0) {
		fprintf(stderr, "fault %d: step is %s\n", (int)sim.fault, step);
		failures++;
	}
	td_rows_free(&rows);
	CHECK_EQUAL(sim.descriptors, 0);
}

static void
bad_replies(void)
{
	int seen[SIM_FAULTS] = {0}, fault;
	size_t i;

	for (i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		sim_reset();
		populate();
		sim.fault = replies[i].fault;
		sim.fault_errno = replies[i].fault_errno;
		walk(replies[i].answer, replies[i].step);
		seen[sim.fault] = 1;
		/* Data in pieces changes nothing. */
		sim.chunk = 100;
		walk(replies[i].answer, replies[i].step);
	}
	for (fault = 0; fault < SIM_FAULTS; fault++)
		CHECK(seen[fault]);
	sim_reset();
	populate();
	sim.everything = 1; /* illumos before 2019: the IP tables follow */
	walk(0, NULL);
	sim.sock_info = 0;
	walk(0, NULL);
}

/* A size in 106 that the IPv4 entries do not go with: another table. */
static void
sock_info_needs_its_kernel(void)
{
	struct td_rows rows;
	size_t i;

	sim_reset();
	populate();
	sim.entry4 = 68;
	sim.entry6 = 96;
	CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
	CHECK_EQUAL(rows.count, GOOD);
	for (i = 0; i < rows.count; i++)
		CHECK_EQUAL(td_rows_at(&rows, i)->inode, 0);
	td_rows_free(&rows);
	sim.entry4 = 172;
	sim.fault = SIM_INFO_RANGE;
	CHECK_EQUAL(list(1u << TD_STATE_ESTABLISHED, &rows), 0);
	CHECK_EQUAL(rows.count, 2);
	for (i = 0; i < rows.count; i++)
		CHECK_EQUAL(td_rows_at(&rows, i)->inode, 0);
	td_rows_free(&rows);
}

/* Each call of a walk interrupted in turn: -EINTR, and the next one is whole. */
static void
interruptions(void)
{
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct td_row row;
	const char *step = "";
	long calls, n;

	sim_reset();
	populate();
	walk(0, NULL);
	calls = sim.getmsgs;
	CHECK(calls > 8);
	for (n = 1; n <= calls; n++) {
		sim.getmsg_eintr = n;
		walk(-EINTR, "getmsg");
		walk(0, NULL);
		sim.getmsg_eintr = n;
		CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), 0);
		CHECK_EQUAL(sim.descriptors, 0);
	}
	sim.putmsg_eintr = 1;
	walk(-EINTR, "putmsg");
	sim.putmsg_errno = EAGAIN;
	walk(-EAGAIN, "putmsg");
}

static void
failing_calls(void)
{
	static const int opens[] = {ENOMEM, EACCES, EBUSY, ENOSR, ENXIO, ENOENT};
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct td_row row;
	const char *step = "";
	int answer;
	size_t i;

	for (i = 0; i < sizeof(opens) / sizeof(*opens); i++) {
		sim_reset();
		populate();
		sim.open_errno = opens[i];
		/* No device is not "no such connection". */
		answer = opens[i] == ENOENT ? -ENODEV
		    : opens[i] == ENOMEM    ? -EAGAIN
					    : -opens[i];
		walk(answer, "/dev/arp");
		CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), answer);
		CHECK(strcmp(step, "/dev/tcp") == 0);
		CHECK_EQUAL(td_lookup(&t, TD_OWN_SCOPE, &row, &step), answer);
		CHECK_EQUAL(td_probe(TD_OWN_SCOPE, &step), answer);
	}
	sim_reset();
	populate();
	sim.push_errno = EINVAL;
	walk(-EINVAL, "I_PUSH");
	CHECK_EQUAL(sim.descriptors, 0);
}

/* EINVAL to a good request: this kernel has another structure. */
static void
another_structure(void)
{
	static const struct {
		int kernel, answer;
	} cases[] = {{EINVAL, -EOPNOTSUPP}, {ENXIO, -ENXIO}, {EAGAIN, -EAGAIN},
		{ENOMEM, -EAGAIN}, {EINTR, -EINTR}};
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	uint32_t index = 0;
	struct td_rows rows;
	const char *step = "";
	int error = 0;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sim_reset();
		populate();
		sim.abort_errno = cases[i].kernel;
		CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), cases[i].answer);
		CHECK(strcmp(step, "TCP_IOC_ABORT_CONN") == 0);
		CHECK_EQUAL(td_probe(TD_OWN_SCOPE, &step), cases[i].answer);
		CHECK_EQUAL(list(1u << TD_STATE_ESTABLISHED, &rows), 0);
		CHECK_EQUAL(td_abort_rows(&rows, &index, 1, &error, TD_OWN_SCOPE,
				0, &step),
		    0);
		CHECK_EQUAL(error, -cases[i].answer);
		td_rows_free(&rows);
		CHECK_EQUAL(sim.descriptors, 0);
	}
}

/* The rows of a listing are all there are, each with its own inode. */
static void
check_whole(const struct td_rows *rows, size_t all)
{
	size_t i;

	CHECK_EQUAL(rows->count, all);
	for (i = 0; i < rows->count; i++) {
		const struct td_row *row = td_rows_at(rows, i);

		CHECK(row->inode == 0 || row->inode == row->rport);
	}
}

/*
 * A kernel that has no memory for some rows of a walk, at random, and says
 * that all went well: what comes is whole, or it is an error.
 */
static void
short_of_memory(void)
{
	enum { ALL = 60 };
	static const int cases[] = {-1, 0, 1, 1, 1, 2, 2, 3, 5, 6};
	struct td_rows rows;
	int short_walks, i;
	size_t k;

	for (k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		short_walks = cases[k];
		sim_reset();
		sim.loses = sim.loses_info = 3;
		sim.short_walks = short_walks;
		for (i = 0; i < ALL; i++)
			give(add(i % 2 ? "10.0.0.1" : "2001:db8::1", 22,
				 i % 2 ? "10.0.0.2" : "2001:db8::2",
				 (uint16_t)(5000 + i),
				 i % 3 ? SIM_ESTABLISHED : SIM_CLOSE_WAIT),
			    100, (uint64_t)5000 + (uint64_t)i);
		if (list(TD_ALL_STATES, &rows) == 0) {
			CHECK(short_walks >= 0 && short_walks < 6);
			CHECK_EQUAL(sim.walks, short_walks + 1);
			check_whole(&rows, ALL);
		} else {
			CHECK(short_walks < 0 || short_walks >= 6);
			CHECK_EQUAL(sim.walks, 6);
		}
		td_rows_free(&rows);
		CHECK_EQUAL(sim.descriptors, 0);
	}
	sim_reset();
	populate();
	sim.loses = 1;
	sim.short_walks = -1;
	walk(-EAGAIN, "MIB2 tables, rows missing");
}

/* Rows in other states are not counted: then no inode is better than another's. */
static void
numbers_of_lost_rows(void)
{
	struct td_rows rows;
	int i, again;
	size_t lost = 0, k;

	for (again = 0; again < 40; again++) {
		sim_reset();
		sim.loses = 20;
		sim.short_walks = -1;
		for (i = 0; i < 40; i++)
			give(add("10.0.0.1", 22, "10.0.0.2", (uint16_t)(5000 + i),
				 SIM_FIN_WAIT_2),
			    100, (uint64_t)5000 + (uint64_t)i);
		CHECK_EQUAL(list(TD_ALL_STATES, &rows), 0);
		lost += 40 - rows.count;
		for (k = 0; k < rows.count; k++) {
			const struct td_row *row = td_rows_at(&rows, k);

			CHECK_EQUAL(row->inode, rows.count == 40 ? row->rport : 0);
		}
		td_rows_free(&rows);
	}
	CHECK(lost > 20);
}

/* A walk that fails stops a drop before anything is asked of the kernel. */
static void
no_walk_no_drop(void)
{
	struct td_tuple t = tuple("10.0.0.1", 22, "10.0.0.2", 5000);
	struct td_rows rows;
	uint32_t index = 0;
	const char *step = "";
	int error = 0;

	sim_reset();
	populate();
	CHECK_EQUAL(list(1u << TD_STATE_ESTABLISHED, &rows), 0);
	sim.fault = SIM_END_ONLY;
	t.cookie = td_rows_at(&rows, 0)->cookie;
	CHECK_EQUAL(abort_in(&t, TD_OWN_SCOPE, &step), -EAGAIN);
	CHECK_EQUAL(td_abort_rows(&rows, &index, 1, &error, TD_OWN_SCOPE, 0,
			&step),
	    -EAGAIN);
	CHECK_EQUAL(sim.requests, 0);
	td_rows_free(&rows);
	CHECK_EQUAL(sim.descriptors, 0);
}

int
main(void)
{
	int before = open_files();

	bad_replies();
	sock_info_needs_its_kernel();
	interruptions();
	failing_calls();
	another_structure();
	no_walk_no_drop();
	short_of_memory();
	numbers_of_lost_rows();
	CHECK_EQUAL(open_files(), before);
	(void)inspect;
	sim_reset();
	return test_result("test_sunos_faults");
}
