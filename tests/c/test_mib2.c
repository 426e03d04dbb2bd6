/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mib2.c - the pure parser alone, on bytes written here: every cut, every
 * state, and what it refuses.  Runs anywhere.
 */
#include "../../src/mib2.h"
#include "sunos_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* A copy of exactly this size, so that a read beyond it is caught. */
static unsigned char *
exact(const void *bytes, size_t size)
{
	unsigned char *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL)
		abort();
	if (size != 0)
		memcpy(copy, bytes, size);
	return copy;
}

static int
reply(const uint32_t *words, size_t size, int has_data)
{
	unsigned char *copy = exact(words, size);
	struct td_mib2_reply r;
	int error = td_mib2_get_reply(copy, size, has_data, &r);

	free(copy);
	return error;
}

static void
request(void)
{
	static const uint32_t wanted[7] = {9, 12, 16, 0x80, 262, 0, 1};
	unsigned char bytes[29];

	memset(bytes, 0xee, sizeof(bytes));
	td_mib2_put_request(bytes);
	CHECK(memcmp(bytes, wanted, 28) == 0);
	CHECK_EQUAL(bytes[28], 0xee);
}

static void
replies(void)
{
	uint32_t table[7] = {22, 12, 16, 0x20, 262, 13, 172};
	uint32_t end[7] = {22, 12, 16, 0x20, 0, 0, 0};
	uint32_t refusal[4] = {18, 9, 8, EACCES};
	size_t size;

	CHECK_EQUAL(reply(table, 28, 1), TD_MIB2_TABLE);
	CHECK_EQUAL(reply(table, 28, 0), -EPROTO); /* a table without data */
	CHECK_EQUAL(reply(end, 28, 0), TD_MIB2_END);
	CHECK_EQUAL(reply(end, 28, 1), TD_MIB2_TABLE); /* an empty table */
	for (size = 0; size < 28; size++)
		CHECK_EQUAL(reply(table, size, 1), -EPROTO);
	CHECK_EQUAL(reply(refusal, 16, 0), -EACCES);
	CHECK_EQUAL(reply(refusal, 15, 0), -EPROTO);
	refusal[3] = 0;
	CHECK_EQUAL(reply(refusal, 16, 0), -EPROTO);
	refusal[3] = 0x80000000u;
	CHECK_EQUAL(reply(refusal, 16, 0), -EPROTO);
	refusal[2] = 3;
	CHECK_EQUAL(reply(refusal, 16, 0), -EACCES);
	refusal[2] = 16;
	CHECK_EQUAL(reply(refusal, 16, 0), -EPROTO);
	table[3] = 0;
	CHECK_EQUAL(reply(table, 28, 1), -EPROTO);
}

/* How many entries of a table the kernel would count as established. */
static uint32_t
count_established(uint32_t entry, uint32_t name, const unsigned char *bytes,
    size_t size)
{
	size_t at = name == 13 ? 0 : 44;
	uint32_t state, n = 0;

	for (; entry >= 48 && at + 4 <= size; at += entry) {
		memcpy(&state, bytes + at, sizeof(state));
		n += state == 5 || state == 8;
	}
	return n;
}

static size_t stride = sizeof(struct td_row) + sizeof(struct td_info);

/* One walk of (262,0) with these sizes and one table. */
static int
take(uint32_t entry, uint32_t level, uint32_t name, const void *bytes,
    size_t size, struct td_rows *rows)
{
	unsigned char sizes[212], *copy = exact(bytes, size);
	struct td_query query;
	struct td_mib2 walk;
	struct td_mib2_reply r = {262, 0, 212};
	int error;

	memset(sizes, 0, sizeof(sizes));
	put32(sizes + 32, count_established(entry, name, copy, size));
	put32(sizes + 48, entry);
	put32(sizes + 208, entry);
	memset(&walk, 0, sizeof(walk));
	memset(rows, 0, sizeof(*rows));
	memset(&query, 0, sizeof(query));
	query.states = TD_ALL_STATES;
	rows->stride = stride;
	walk.rows = rows;
	error = td_mib2_take(&walk, &r, sizes, sizeof(sizes));
	CHECK_EQUAL(error, 0);
	r.level = level;
	r.name = name;
	r.len = (uint32_t)size;
	error = td_mib2_take(&walk, &r, copy, size);
	if (error == 0)
		error = td_mib2_finish(&walk, &query);
	free(copy);
	return error;
}

static void
cuts(void)
{
	static const uint32_t entries[] = {20, 48, 56, 68, 72, 84, 96, 160, 168,
	    172, 184, 188, 192, 200, 208, 300};
	unsigned char bytes[700];
	struct td_rows rows;
	size_t i, size;

	memset(bytes, 0, sizeof(bytes));
	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		for (size = 0; size <= 2 * entries[i]; size++) {
			int whole = size % entries[i] == 0;

			CHECK_EQUAL(take(entries[i], 262, 13, bytes, size, &rows),
			    whole ? 0 : -EPROTO);
			td_rows_free(&rows);
			CHECK_EQUAL(take(entries[i], 270, 14, bytes, size, &rows),
			    whole && (size == 0 || entries[i] >= 48) ? 0
								     : -EPROTO);
			td_rows_free(&rows);
		}
}

static void
states(void)
{
	static const uint8_t wanted[] = {0, TD_STATE_CLOSED, TD_STATE_LISTEN,
	    TD_STATE_SYN_SENT, TD_STATE_SYN_RECV, TD_STATE_ESTABLISHED,
	    TD_STATE_FIN_WAIT1, TD_STATE_FIN_WAIT2, TD_STATE_CLOSE_WAIT,
	    TD_STATE_LAST_ACK, TD_STATE_CLOSING, TD_STATE_TIME_WAIT, 0, 0};
	unsigned char entry[56];
	struct td_rows rows;
	uint32_t mib;

	for (mib = 0; mib < sizeof(wanted); mib++) {
		memset(entry, 0, sizeof(entry));
		put32(entry, mib);
		put32(entry + 52, 77); /* no inner state has this number */
		CHECK_EQUAL(take(56, 262, 13, entry, 56, &rows), 0);
		CHECK_EQUAL(rows.count, wanted[mib] != 0);
		if (rows.count == 1)
			CHECK_EQUAL(td_rows_at(&rows, 0)->state, wanted[mib]);
		td_rows_free(&rows);
	}
	/* An unknown MIB number: the inner one tells, where there is one. */
	put32(entry, 0);
	put32(entry + 52, 5);
	CHECK_EQUAL(take(56, 262, 13, entry, 56, &rows), 0);
	CHECK_EQUAL(td_rows_at(&rows, 0)->state, TD_STATE_FIN_WAIT2);
	td_rows_free(&rows);
}

static void
queues_never_negative(void)
{
	static const struct {
		uint32_t snxt, suna, rnxt, rack, sendq, recvq;
	} cases[] = {{5, 5, 9, 9, 0, 0}, {6, 5, 9, 8, 0, 1},
		{15, 5, 3, 0xfffffffe, 9, 5}, {5, 6, 8, 9, 0, 0},
		{2, 0xfffffffe, 0, 1, 3, 0}};
	unsigned char entry[56];
	struct td_rows rows;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(entry, 0, sizeof(entry));
		put32(entry, 5);
		put32(entry + 20, cases[i].snxt);
		put32(entry + 24, cases[i].suna);
		put32(entry + 32, cases[i].rnxt);
		put32(entry + 36, cases[i].rack);
		CHECK_EQUAL(take(56, 262, 13, entry, 56, &rows), 0);
		CHECK_EQUAL(td_rows_at(&rows, 0)->sendq, cases[i].sendq);
		CHECK_EQUAL(td_rows_at(&rows, 0)->recvq, cases[i].recvq);
		td_rows_free(&rows);
	}
}

static void
unknown_tables(void)
{
	static const uint32_t pairs[][2] = {{260, 0}, {260, 105}, {262, 105},
	    {262, 14}, {270, 13}, {0, 13}, {9999, 9999}, {270, 0}};
	struct td_rows rows;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		CHECK_EQUAL(take(172, pairs[i][0], pairs[i][1], "xyz", 3, &rows),
		    0);
		CHECK_EQUAL(rows.count, 0);
		td_rows_free(&rows);
	}
	/* Entries whose size nobody told. */
	CHECK_EQUAL(take(0, 262, 13, "xyzz", 4, &rows), -EPROTO);
	td_rows_free(&rows);
	CHECK_EQUAL(take(0, 262, 13, "", 0, &rows), 0);
	td_rows_free(&rows);
}

enum { ENTRY4 = 172, ENTRY6 = 200, INFO = 32 };

/* A listener on every address, as x86 has listed it since 2019. */
static void
put_listener(unsigned char *at, int family, uint32_t port, uint32_t pid,
    uint64_t created)
{
	size_t size = family == 4 ? ENTRY4 : ENTRY6;

	memset(at, 0, size);
	put32(at + (family == 4 ? TD_ENTRY4_STATE : TD_ENTRY6_STATE), 2);
	put32(at + (family == 4 ? TD_ENTRY4_LPORT : TD_ENTRY6_LPORT), port);
	put32(at + (family == 4 ? 160 : 188), pid);
	memcpy(at + (family == 4 ? 164 : 192), &created, sizeof(created));
}

/* What table 106 says of one row. */
static void
put_info(unsigned char *at, uint64_t number, uint64_t inode, uint64_t flags)
{
	memset(at, 0, INFO);
	memcpy(at, &number, 8);
	memcpy(at + TD_SOCK_INFO_INODE, &inode, 8);
	memcpy(at + TD_SOCK_INFO_FLAGS, &flags, 8);
}

/* A walk of two IPv4 rows, two IPv6 rows, and this table 106 of the former. */
static void
walk_of(const unsigned char *four, const unsigned char *six,
    const unsigned char *infos, size_t n, struct td_rows *rows)
{
	static const struct td_mib2_reply parts[] = {{262, 0, 212},
	    {262, 13, 2 * ENTRY4}, {270, 14, 2 * ENTRY6}, {262, 106, 0}};
	struct td_query query = {.states = TD_ALL_STATES};
	struct td_mib2 walk = {.rows = rows};
	unsigned char sizes[212] = {0};

	put32(sizes + TD_TCP_ENTRY4, ENTRY4);
	put32(sizes + TD_TCP_ENTRY6, ENTRY6);
	memset(rows, 0, sizeof(*rows));
	rows->stride = stride;
	CHECK_EQUAL(td_mib2_take(&walk, &parts[0], sizes, sizeof(sizes)), 0);
	CHECK_EQUAL(td_mib2_take(&walk, &parts[1], four, 2 * ENTRY4), 0);
	CHECK_EQUAL(td_mib2_take(&walk, &parts[2], six, 2 * ENTRY6), 0);
	CHECK_EQUAL(td_mib2_take(&walk, &parts[3], infos, n * INFO), 0);
	CHECK_EQUAL(td_mib2_finish(&walk, &query), 0);
}

/* Of two sockets that differ in process or age alone a shadow is one's: the right one's. */
static void
shadow_of_the_second(uint32_t other_pid, uint64_t other_created)
{
	unsigned char four[2 * ENTRY4], six[2 * ENTRY6];
	struct td_rows rows;

	put_listener(six, 6, 80, other_pid, other_created);
	put_listener(six + ENTRY6, 6, 80, 7, 2000);
	put_listener(four, 4, 80, 7, 2000);
	put_listener(four + ENTRY4, 4, 81, 7, 2000);
	walk_of(four, six, NULL, 0, &rows);
	CHECK_EQUAL(rows.count, 3);
	CHECK_EQUAL(td_rows_at(&rows, 0)->lport, 81);
	CHECK_EQUAL(td_rows_at(&rows, 1)->flags & TD_ROW_DUAL, 0);
	CHECK_EQUAL(td_rows_at(&rows, 2)->flags & TD_ROW_DUAL, TD_ROW_DUAL);
	td_rows_free(&rows);
}

/* Table 106: a number twice, a TLI endpoint, and a shadow whose socket is gone. */
static void
socket_infos(void)
{
	unsigned char four[2 * ENTRY4], six[2 * ENTRY6], infos[2 * INFO];
	struct td_rows rows;

	put_listener(four, 4, 80, 7, 1000);
	put_listener(four + ENTRY4, 4, 81, 7, 1000);
	put_listener(six, 6, 90, 8, 1000);
	put_listener(six + ENTRY6, 6, 91, 8, 1000);
	put_info(infos, 0, 33, 0);
	put_info(infos + INFO, 0, 34, 0);
	walk_of(four, six, infos, 2, &rows);
	CHECK_EQUAL(rows.count, 4);
	CHECK_EQUAL(td_rows_at(&rows, 0)->inode, 0); /* not one of it is believed */
	td_rows_free(&rows);

	put_info(infos, 0, 33, TD_SOCK_INFO_STREAM);
	put_info(infos + INFO, 1, 34, TD_SOCK_INFO_IPV6);
	walk_of(four, six, infos, 2, &rows);
	CHECK_EQUAL(rows.count, 3);
	CHECK_EQUAL(td_rows_at(&rows, 0)->lport, 80);
	CHECK_EQUAL(td_rows_at(&rows, 0)->inode, 0);
	CHECK_EQUAL(td_rows_at(&rows, 1)->family, 6);
	td_rows_free(&rows);
}

/* Rows so large that there is no room for one. */
static void
no_memory(void)
{
	unsigned char entry[56] = {0};
	struct td_rows rows;
	size_t before = stride;

	put32(entry, 5); /* established */
	stride = SIZE_MAX / 32;
	CHECK_EQUAL(take(56, 262, 13, entry, 56, &rows), -ENOMEM);
	stride = before;
	td_rows_free(&rows);
}

static void
sizes_cut_off(void)
{
	struct td_mib2_reply r = {262, 0, 212};
	struct td_mib2 walk;
	unsigned char bytes[212], *copy;
	size_t size;

	memset(bytes, 0, sizeof(bytes));
	for (size = 0; size <= sizeof(bytes); size++) {
		memset(&walk, 0, sizeof(walk));
		copy = exact(bytes, size);
		CHECK_EQUAL(td_mib2_take(&walk, &r, copy, size),
		    size == 212 ? 0 : -EPROTO);
		CHECK_EQUAL(walk.seen, size == 212);
		free(copy);
	}
}

int
main(void)
{
	sizes_cut_off();
	no_memory();
	request();
	replies();
	cuts();
	states();
	queues_never_negative();
	unknown_tables();
	shadow_of_the_second(7, 1000);
	shadow_of_the_second(8, 2000);
	socket_infos();
	return test_result("test_mib2");
}
