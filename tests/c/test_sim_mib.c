/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sim_mib.c - the simulator's MIB tables beside those that the kernel's own
 * routines gave, empty and populated; read here call by call.
 */
#include "sim_vectors.h"

#include <fcntl.h>

struct table {
	uint32_t level, name, len;
	int has_data;
	size_t size;
	unsigned char bytes[4096];
};

/* Ask for level 262 as the sheet says: the number of messages. */
static int
read_mib(struct table *tables, int room)
{
	static uint32_t request[7] = {9, 12, 16, 0x80, 262, 0, 1};
	uint32_t words[16];
	struct strbuf control = {64, 28, NULL};
	struct strbuf data = {0, 0, NULL};
	int fd = sim_open("/dev/arp", O_RDWR), flags = 0, result, n;

	control.buf = (char *)request;
	CHECK_EQUAL(sim_putmsg(fd, &control, NULL, 0), 0);
	control.buf = (char *)words;
	for (n = 0; n < room; n++) {
		struct table *t = &tables[n];

		flags = 0;
		result = sim_getmsg(fd, &control, NULL, &flags);
		CHECK_EQUAL(control.len, 28);
		CHECK(words[0] == 22 && words[3] == 0x20);
		t->level = words[4];
		t->name = words[5];
		t->len = words[6];
		t->has_data = result == MOREDATA;
		if (!t->has_data)
			break;
		data.maxlen = (int)sizeof(t->bytes);
		data.buf = (char *)t->bytes;
		CHECK_EQUAL(sim_getmsg(fd, NULL, &data, &flags), 0);
		t->size = (size_t)data.len;
		CHECK_EQUAL(t->size, t->len);
	}
	sim_close(fd);
	return n;
}

static uint32_t
word(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return value;
}

static uint64_t
word64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, 8);
	return value;
}

static void
mib_empty(void)
{
	static struct table t[8];

	sim_reset();
	CHECK_EQUAL(read_mib(t, 8), 3);
	CHECK(t[0].level == 262 && t[0].name == 0 && t[0].size == 228);
	CHECK(t[1].level == 262 && t[1].name == 13 && t[1].size == 0);
	CHECK(t[2].level == 270 && t[2].name == 14 && t[2].size == 0);
	CHECK(t[3].level == 0 && t[3].name == 0 && t[3].len == 0);
}

static void
give(struct sim_conn *c, uint32_t pid, uint64_t inode)
{
	c->pid = pid;
	c->inode = inode;
}

static void
mib_populated(void)
{
	static struct table t[8];
	struct sim_conn *c;
	int i, closed = 0, listens = 0, established = 0, waits = 0, mapped = 0;

	sim_reset();
	give(add("10.0.0.1", 22, "10.0.0.2", 5000, SIM_ESTABLISHED), 100, 1);
	give(add("2001:db8::1", 22, "2001:db8::2", 1, SIM_CLOSE_WAIT), 101, 2);
	give(add("::", 80, "::", 0, SIM_LISTEN), 102, 3);
	c = add("::", 81, "::", 0, SIM_LISTEN);
	c->v6_only = 1;
	give(c, 103, 4);
	give(add("0.0.0.0", 0, "0.0.0.0", 0, SIM_IDLE), 104, 5);
	give(add("10.0.0.1", 23, "10.0.0.2", 5001, SIM_TIME_WAIT), 0, 6);
	c = add("10.0.0.1", 24, "10.0.0.2", 5002, SIM_ESTABLISHED);
	c->zone = 5;
	give(c, 105, 7);
	/* IPv4 carried by an IPv6 socket: plain IPv4, and no mark in 106. */
	c = add("::ffff:10.0.0.1", 25, "::ffff:10.0.0.2", 5003, SIM_ESTABLISHED);
	give(c, 106, 8);
	/* An IPv6 socket without a connection is in both tables, and marked. */
	give(add("::", 0, "::", 0, SIM_IDLE), 107, 9);
	CHECK_EQUAL(read_mib(t, 8), 5);
	CHECK(t[0].level == 262 && t[0].name == 0);
	CHECK_EQUAL(word(t[0].bytes + 32), 3); /* tcpCurrEstab */
	CHECK(t[1].level == 262 && t[1].name == 13);
	CHECK_EQUAL(t[1].size, 6 * 172);
	CHECK(t[2].level == 262 && t[2].name == 106);
	CHECK_EQUAL(t[2].size, 6 * 32);
	CHECK(t[3].level == 270 && t[3].name == 14);
	CHECK_EQUAL(t[3].size, 4 * 200);
	CHECK(t[4].level == 270 && t[4].name == 106);
	CHECK_EQUAL(t[4].size, 4 * 32);
	for (i = 0; i < 6; i++) {
		const unsigned char *at = t[1].bytes + 172 * i;
		int any = word(at + 4) == 0;

		CHECK(word(at + 8) != 24); /* zone 5 is not shown */
		closed += word(at) == 1 && any && word(at + 8) == 0;
		listens += word(at) == 2 && any && word(at + 8) == 80;
		established += word(at) == 5 && word(at + 160) == 100;
		waits += word(at) == 11 && word(at + 160) == 0;
		mapped += word(at) == 5 && word(at + 160) == 106;
		CHECK_EQUAL(word64(t[2].bytes + 32 * i), i);
		CHECK_EQUAL(word64(t[2].bytes + 32 * i + 16),
		    word(at + 160) == 102 || word(at + 160) == 107 ? 2 : 0);
	}
	CHECK(closed == 2 && listens == 1 && established == 1 && waits == 1);
	CHECK_EQUAL(mapped, 1);
	for (i = 0; i < 4; i++)
		CHECK_EQUAL(word64(t[4].bytes + 32 * i + 16), 0);
}

int
main(void)
{
	mib_empty();
	mib_populated();
	CHECK_EQUAL(sim.descriptors, 0);
	sim_reset();
	return test_result("test_sim_mib");
}
