/* SPDX-License-Identifier: BSD-2-Clause */
/* sunos_tools.h - a population for the simulator, and eyes on what is sent. */
#ifndef SUNOS_TOOLS_H
#define SUNOS_TOOLS_H

#include "../../src/backend.h"
#include "../sim/sim.h"
#include "sunos_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static long inspected;

/* Every request that leaves the backend: exact, or the test fails. */
static inline void
inspect(const void *bytes, size_t size)
{
	static const unsigned char zeroes[16];
	const unsigned char *at = bytes;
	int32_t states[2];
	uint16_t family;
	int i;

	inspected++;
	CHECK_EQUAL(size, 524);
	for (i = 0; i < 2; i++, at += 256) {
		memcpy(&family, at, 2);
		CHECK_EQUAL(family, 26);
		CHECK(at[2] != 0 || at[3] != 0);
		CHECK(memcmp(at + 8, zeroes, 16) != 0);
		CHECK(memcmp(at + 8, "\0\0\0\0\0\0\0\0\0\0\377\377\0\0\0\0", 16) != 0);
		CHECK(memcmp(at + 4, zeroes, 4) == 0); /* flow */
		CHECK(memcmp(at + 24, zeroes, 16) == 0); /* scope, and beyond */
	}
	memcpy(states, at, sizeof(states));
	CHECK_EQUAL(states[0], -2);
	CHECK_EQUAL(states[1], 6);
}

static inline void
parse(const char *text, uint8_t *addr)
{
	if (strchr(text, ':') != NULL) {
		CHECK_EQUAL(inet_pton(AF_INET6, text, addr), 1);
		return;
	}
	memset(addr, 0, 16);
	if (strcmp(text, "0.0.0.0") == 0)
		return;
	addr[10] = addr[11] = 0xff;
	CHECK_EQUAL(inet_pton(AF_INET, text, addr + 12), 1);
}

static inline struct sim_conn *
add(const char *laddr, uint16_t lport, const char *raddr, uint16_t rport,
    int state)
{
	struct sim_conn c;

	memset(&c, 0, sizeof(c));
	parse(laddr, c.laddr);
	parse(raddr, c.raddr);
	c.lport = lport;
	c.rport = rport;
	c.state = state;
	c.bucket = -1;
	c.v6_socket = strchr(laddr, ':') != NULL;
	c.created = 1000;
	return sim_add(&c);
}

static inline struct sim_conn *
give(struct sim_conn *c, uint32_t pid, uint64_t inode)
{
	c->pid = pid;
	c->inode = inode;
	return c;
}

/* Some of each kind; returns 10.0.0.1:22 <- 10.0.0.2:5000. */
static inline struct sim_conn *
populate(void)
{
	struct sim_conn *a, *c;

	a = give(add("10.0.0.1", 22, "10.0.0.2", 5000, SIM_ESTABLISHED), 100, 1);
	a->recvq = 7;
	a->sendq = 9;
	a->bytes_in = 11;
	a->bytes_out = 12;
	a->retrans = 13;
	c = add("2001:db8::1", 443, "2001:db8::2", 1, SIM_CLOSE_WAIT);
	give(c, 101, 2)->ifindex = 3;
	give(add("::", 80, "::", 0, SIM_LISTEN), 102, 3);
	give(add("::", 81, "::", 0, SIM_LISTEN), 103, 4)->v6_only = 1;
	give(add("0.0.0.0", 0, "0.0.0.0", 0, SIM_IDLE), 104, 5);
	give(add("10.0.0.1", 23, "10.0.0.2", 5001, SIM_TIME_WAIT), 0, 0);
	give(add("10.0.0.1", 24, "10.0.0.2", 5002, SIM_ESTABLISHED), 105, 7)->zone = 5;
	c = add("10.0.0.1", 99, "10.0.0.2", 5003, SIM_ESTABLISHED);
	give(c, 106, 8)->v6_socket = 1;
	return a;
}

static inline int
abort_in(const struct td_tuple *t, int scope, const char **step)
{
	struct td_conversation c = {.scope = scope, .fd = -1};
	int error = td_abort(t, &c, step);

	CHECK_EQUAL(c.fd, -1); /* each request opens its device anew */
	return error;
}

static inline struct td_tuple
tuple(const char *laddr, uint16_t lport, const char *raddr, uint16_t rport)
{
	struct td_tuple t;
	int v6 = strchr(laddr, ':') != NULL;

	memset(&t, 0, sizeof(t));
	t.family = v6 ? 6 : 4;
	CHECK_EQUAL(inet_pton(v6 ? AF_INET6 : AF_INET, laddr, t.laddr), 1);
	CHECK_EQUAL(inet_pton(v6 ? AF_INET6 : AF_INET, raddr, t.raddr), 1);
	t.lport = lport;
	t.rport = rport;
	return t;
}

/* td_list() of these states, with details; rows are to be freed. */
static inline int
list(uint32_t states, struct td_rows *rows)
{
	struct td_query query;
	const char *step = "";

	memset(&query, 0, sizeof(query));
	memset(rows, 0, sizeof(*rows));
	rows->stride = sizeof(struct td_row) + sizeof(struct td_info);
	query.states = states;
	query.details = TD_DETAIL_INFO;
	query.scope = TD_OWN_SCOPE;
	return td_list(&query, rows, &step);
}

static inline int
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

#endif
