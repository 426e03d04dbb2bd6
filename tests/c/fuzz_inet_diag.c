/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_inet_diag.c - the parser of sock_diag on any bytes: no fault, no escape, no loop. */
#include "inet_diag.h"
#include "rtnetlink.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fuzz_main.h"

static void
one_message(const struct td_message *m, const uint8_t *data, size_t size)
{
	struct td_row row, other;
	struct td_info info;
	struct td_counters counters;
	struct td_tuple tuple;
	unsigned char request[TD_EXACT_SIZE], question[TD_ROUTE_MOST];
	const char *why;
	int error, with, without;

	CHECK(m->payload >= data && m->size <= size);
	CHECK((size_t)(m->payload - data) + m->size <= size);
	error = td_message_errno(m);
	CHECK(error <= 4095);
	memset(&row, 0, sizeof(row));
	memset(&other, 0, sizeof(other));
	memset(&info, 0, sizeof(info));
	with = td_get_row(m, &row, &info);
	without = td_get_row(m, &other, NULL);
	CHECK(with == without && memcmp(&row, &other, sizeof(row)) == 0);
	error = td_get_counters(m, &counters);
	CHECK(with != 0 || (error == 0 && counters.queued == row.sendq));
	if (with != 0)
		return;
	CHECK(row.family == 4 || row.family == 6);
	CHECK(info.cc[15] == 0);
	memset(&tuple, 0, sizeof(tuple));
	tuple.family = row.family;
	memcpy(tuple.laddr, row.laddr, 16);
	memcpy(tuple.raddr, row.raddr, 16);
	tuple.lport = row.lport;
	tuple.rport = row.rport;
	CHECK(td_same_ends(&tuple, &row));
	(void)td_tuple_check(&tuple, &why);
	td_put_lookup(request, 1, &tuple);
	td_put_destroy(request, 2, &row, 1);
	CHECK(td_put_route(question, 3, &row) <= sizeof(question));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at;
	unsigned char *copy;
	struct td_message m;
	size_t left = size, before;

	copy = malloc(size + 1); /* unaligned, and its end is the end */
	CHECK(copy != NULL);
	memcpy(copy + 1, data, size);
	at = copy + 1;
	for (before = left; td_next_message(&at, &left, &m) == 1; before = left) {
		CHECK(left < before);
		one_message(&m, copy + 1, size);
	}
	free(copy);
	return 0;
}
