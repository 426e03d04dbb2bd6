/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_rtnetlink.c - what the kernel says of routes, rules and devices, made of
 * any bytes: no fault, and nothing said that the answer does not say.
 */
#include "rtnetlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fuzz_main.h"

/* Is this attribute, of four bytes at least, in the message with this value? */
static int
says(const struct td_message *m, size_t header, uint16_t type, uint32_t value)
{
	const unsigned char *at = m->payload + header;
	size_t left = m->size - header;
	struct td_attribute a;

	while (td_next_attribute(&at, &left, &a) == 1)
		if (a.type == type && a.size >= 4 && td_get32(a.data) == value)
			return 1;
	return 0;
}

static void
a_route(const struct td_message *m)
{
	struct td_route route;

	if (td_get_route(m, &route) != 0)
		return;
	CHECK(route.error <= 4095 && (route.error == 0 || route.ifindex == 0));
	CHECK((m->type == TD_NLMSG_ERROR) == (route.error != 0));
	if (route.ifindex != 0)
		CHECK(says(m, 12, 4, route.ifindex));
}

static void
a_link(const struct td_message *m)
{
	struct td_link link;

	if (td_get_link(m, &link) != 0)
		return;
	CHECK(link.error == 0 || (link.flags == 0 && link.master == 0));
	CHECK((m->type == TD_NLMSG_ERROR) == (link.error != 0));
	if (link.error == 0) {
		uint32_t flags = td_get32(m->payload + 8);

		CHECK(((link.flags & TD_LINK_UP) != 0) == ((flags & 0x10001) == 0x10001));
		CHECK(((link.flags & TD_LINK_LOOPBACK) != 0) == ((flags & 8) != 0));
	}
	if (link.master != 0)
		CHECK(says(m, 16, 10, link.master));
}

/* Whether it is counted, cut off or written whole, an answer has the same names. */
static void
the_names(const struct td_message *m)
{
	int n = td_get_names(m, NULL, 0), i;
	struct td_interface *all, first;

	CHECK(n >= 0 || n == -EBADMSG);
	CHECK(td_get_names(m, &first, 1) == n);
	if (n <= 0)
		return;
	all = malloc((size_t)n * sizeof(*all)); /* not a name more than there is room for */
	CHECK(all != NULL);
	CHECK(td_get_names(m, all, (size_t)n) == n);
	CHECK(memcmp(&first, all, sizeof(first)) == 0);
	for (i = 0; i < n; i++) {
		CHECK(all[i].index == td_get32(m->payload + 4));
		CHECK(memchr(all[i].name, '\0', sizeof(all[i].name)) != NULL);
	}
	free(all);
}

static void
one_message(const struct td_message *m)
{
	uint32_t looks_at = 0, others = TD_RULE_OTHER;
	int error = td_get_rule(m, &looks_at);

	CHECK(error == 0 || error == -EBADMSG);
	CHECK(looks_at < 2 * TD_RULE_OTHER);
	CHECK(td_get_rule(m, &others) == error); /* what rules before it looked at stays */
	CHECK(others == (looks_at | TD_RULE_OTHER));
	a_route(m);
	a_link(m);
	the_names(m);
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
		CHECK(m.payload >= copy + 1 && m.size <= size);
		CHECK((size_t)(m.payload - copy - 1) + m.size <= size);
		one_message(&m);
	}
	free(copy);
	return 0;
}
