/* SPDX-License-Identifier: BSD-2-Clause */
/* test_netlink.c - where a dump ends, and what is none of it. */
#include "netlink.h"

#include <errno.h>

#include "check.h"

enum { SEQ = 7, ROW = 20, NOOP = 1, OVERRUN = 4 };

/* A message with `code` as its payload, or with none. */
static size_t
put(unsigned char *p, uint16_t type, uint16_t flags, uint32_t seq, int code,
    size_t payload)
{
	td_put_header(p, TD_NLMSG_HEADER + payload, type, flags, seq);
	td_put32(p + TD_NLMSG_HEADER, (uint32_t)code);
	return TD_NLMSG_HEADER + payload;
}

/* What comes of this message alone. */
static int
next(uint16_t type, uint16_t flags, uint32_t seq, int code, size_t payload,
    struct td_dump_state *state)
{
	unsigned char buf[32];
	const unsigned char *at = buf;
	size_t left = put(buf, type, flags, seq, code, payload);
	struct td_message m;

	return td_next_of_dump(&at, &left, state, &m);
}

static void
test_the_end(void)
{
	struct td_dump_state state = {.seq = SEQ};

	CHECK(next(ROW, 2, SEQ, 0, 4, &state) == 1 && !state.over);
	CHECK(next(TD_NLMSG_DONE, 2, SEQ, 0, 4, &state) == 0);
	CHECK(state.over && !state.torn);
	/* What may stand behind the end is not looked at. */
	CHECK(next(ROW, 2, SEQ, 0, 4, &state) == 0 && state.over);
	/* Kernels before 2.6 or so say no more than that. */
	state = (struct td_dump_state){.seq = SEQ};
	CHECK(next(TD_NLMSG_DONE, 2, SEQ, 0, 0, &state) == 0 && state.over);
}

static void
test_failures(void)
{
	struct td_dump_state state = {.seq = SEQ};

	CHECK(next(TD_NLMSG_DONE, 2, SEQ, -EIO, 4, &state) == -EIO);
	CHECK(next(TD_NLMSG_ERROR, 0, SEQ, -ENOMEM, 4, &state) == -ENOMEM);
	CHECK(next(TD_NLMSG_ERROR, 0, SEQ, 0, 4, &state) == -EPROTO);
	CHECK(next(TD_NLMSG_ERROR, 0, SEQ, 1, 4, &state) == -EBADMSG);
	CHECK(next(TD_NLMSG_ERROR, 0, SEQ, 0, 0, &state) == -EBADMSG);
	CHECK(next(TD_NLMSG_DONE, 2, SEQ, 4096, 4, &state) == -EBADMSG);
	CHECK(next(ROW, 2, SEQ + 1, 0, 4, &state) == -EPROTO);
	CHECK(next(TD_NLMSG_DONE, 2, SEQ - 1, 0, 4, &state) == -EPROTO);
	CHECK(!state.over && !state.torn);
	/* Nothing of netlink's own is what was dumped: that is for the caller to say. */
	CHECK(next(NOOP, 2, SEQ, 0, 4, &state) == 1);
	CHECK(next(OVERRUN, 2, SEQ, 0, 4, &state) == 1);
}

/* It changed meanwhile: any message may say so, the last one too. */
static void
test_torn(void)
{
	struct td_dump_state state = {.seq = SEQ};

	CHECK(next(ROW, TD_NLM_F_DUMP_INTR, SEQ, 0, 4, &state) == 1);
	CHECK(state.torn);
	CHECK(next(ROW, 2, SEQ, 0, 4, &state) == 1);
	CHECK(next(TD_NLMSG_DONE, 2, SEQ, 0, 4, &state) == 0);
	CHECK(state.over && state.torn);
	state = (struct td_dump_state){.seq = SEQ};
	CHECK(next(TD_NLMSG_DONE, 2 | TD_NLM_F_DUMP_INTR, SEQ, 0, 4, &state) == 0);
	CHECK(state.over && state.torn);
}

/* Of several in one datagram, and of one that is cut. */
static void
test_datagram(void)
{
	unsigned char buf[96];
	struct td_dump_state state = {.seq = SEQ};
	const unsigned char *at = buf;
	struct td_message m;
	size_t size = put(buf, ROW, 2, SEQ, 1, 4), left;

	size += put(buf + size, ROW, 2, SEQ, 2, 4);
	size += put(buf + size, TD_NLMSG_DONE, 2, SEQ, 0, 4);
	left = size;
	CHECK(td_next_of_dump(&at, &left, &state, &m) == 1);
	CHECK(m.type == ROW && m.flags == 2 && m.size == 4);
	CHECK(td_next_of_dump(&at, &left, &state, &m) == 1);
	CHECK(td_get32(m.payload) == 2);
	CHECK(td_next_of_dump(&at, &left, &state, &m) == 0 && state.over);
	state.over = 0;
	at = buf;
	left = size - 1;
	CHECK(td_next_of_dump(&at, &left, &state, &m) == 1);
	CHECK(td_next_of_dump(&at, &left, &state, &m) == 1);
	CHECK(td_next_of_dump(&at, &left, &state, &m) == -EBADMSG);
	CHECK(!state.over);
}

int
main(void)
{
	test_the_end();
	test_failures();
	test_torn();
	test_datagram();
	puts("test_netlink: ok");
	return 0;
}
