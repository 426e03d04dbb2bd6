/* SPDX-License-Identifier: BSD-2-Clause */
/* test_rtnetlink.c - questions about routes byte for byte, and answers that lie. */
#include "rtnetlink.h"

#include <errno.h>
#include <string.h>

#include "check.h"

enum { HEADER = 16, ROUTE = 12, LINK = 16 };

/* The attribute of this type in a request, or NULL. */
static const unsigned char *
find(const unsigned char *request, size_t size, uint16_t type, size_t *found)
{
	const unsigned char *at = request + HEADER + ROUTE;
	size_t left = size - HEADER - ROUTE;
	struct td_attribute a;

	while (td_next_attribute(&at, &left, &a) == 1)
		if (a.type == type) {
			*found = a.size;
			return a.data;
		}
	return NULL;
}

static uint32_t
number(const unsigned char *request, size_t size, uint16_t type)
{
	size_t found = 0;
	const unsigned char *data = find(request, size, type, &found);

	CHECK(data != NULL && found == 4);
	return td_get32(data);
}

static void
test_route_requests(void)
{
	static const uint8_t v4[16] = {192, 0, 2, 1}, peer[16] = {192, 0, 2, 2};
	struct td_row row = {.family = 4, .lport = 80, .rport = 0x1234,
	    .ifindex = 7, .mark = 9, .uid = 1000, .flags = TD_ROW_UID};
	unsigned char buf[TD_ROUTE_MOST + 1];
	size_t size, found = 0;

	memcpy(row.laddr, v4, 16);
	memcpy(row.raddr, peer, 16);
	memset(buf, 0xee, sizeof(buf));
	size = td_put_route(buf, 3, &row);
	CHECK(size == td_get32(buf) && size <= TD_ROUTE_MOST && buf[size] == 0xee);
	CHECK(td_get16(buf + 4) == 26 && td_get16(buf + 6) == 1 && td_get32(buf + 8) == 3);
	CHECK(buf[HEADER] == 2 && buf[HEADER + 1] == 32 && buf[HEADER + 2] == 32);
	CHECK(memcmp(find(buf, size, 1, &found), peer, 4) == 0 && found == 4);
	CHECK(memcmp(find(buf, size, 2, &found), v4, 4) == 0 && found == 4);
	CHECK(number(buf, size, 4) == 7 && number(buf, size, 16) == 9);
	CHECK(number(buf, size, 25) == 1000);
	CHECK(find(buf, size, 27, &found)[0] == 6 && found == 1);
	CHECK(memcmp(find(buf, size, 28, &found), "\0\120", 2) == 0 && found == 2);
	CHECK(memcmp(find(buf, size, 29, &found), "\x12\x34", 2) == 0);

	/* What is not known is not asked with. */
	memset(row.laddr, 0, 16);
	row.ifindex = row.mark = row.flags = 0;
	size = td_put_route(buf, 4, &row);
	CHECK(find(buf, size, 2, &found) == NULL && buf[HEADER + 2] == 0);
	CHECK(find(buf, size, 4, &found) == NULL);
	CHECK(find(buf, size, 16, &found) == NULL);
	CHECK(find(buf, size, 25, &found) == NULL);
}

static void
test_families(void)
{
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct td_row row = {.family = 6, .lport = 1, .rport = 2, .ifindex = 1,
	    .mark = 1, .flags = TD_ROW_UID};
	unsigned char buf[TD_ROUTE_MOST + 1];
	size_t size, found = 0;

	memcpy(row.laddr, six, 16);
	memcpy(row.raddr, six, 16);
	memset(buf, 0xee, sizeof(buf));
	size = td_put_route(buf, 1, &row);
	CHECK(size == TD_ROUTE_MOST && buf[size] == 0xee);
	CHECK(buf[HEADER] == 10 && buf[HEADER + 1] == 128 && buf[HEADER + 2] == 128);
	CHECK(memcmp(find(buf, size, 2, &found), six, 16) == 0 && found == 16);

	memcpy(row.laddr, mapped, 16);
	memcpy(row.raddr, mapped, 16);
	size = td_put_route(buf, 1, &row);
	CHECK(buf[HEADER] == 2);
	CHECK(memcmp(find(buf, size, 1, &found), mapped + 12, 4) == 0 && found == 4);
	/* Its source may be left out as well. */
	memset(row.laddr, 0, 16);
	size = td_put_route(buf, 1, &row);
	CHECK(buf[HEADER] == 2 && find(buf, size, 2, &found) == NULL);
}

/* A message of this type with these bytes, in `room`. */
static struct td_message
message(uint16_t type, const unsigned char *payload, size_t size)
{
	struct td_message m = {.type = type, .seq = 1, .payload = payload,
	    .size = size};

	return m;
}

static void
test_route_answers(void)
{
	unsigned char buf[64] = {2, 32};
	struct td_route route;
	struct td_message m;
	uint32_t device = 5;
	size_t size = ROUTE;

	size += td_put_attribute(buf + size, 15, &device, 4);
	device = 7;
	size += td_put_attribute(buf + size, 4, &device, 4);
	m = message(24, buf, size);
	CHECK(td_get_route(&m, &route) == 0);
	CHECK(route.error == 0 && route.ifindex == 7);
	m.size--; /* an attribute that says more than there is */
	CHECK(td_get_route(&m, &route) == -EBADMSG);
	m.size = ROUTE - 1;
	CHECK(td_get_route(&m, &route) == -EBADMSG);
	m = message(16, buf, size);
	CHECK(td_get_route(&m, &route) == -EBADMSG);

	td_put32(buf, (uint32_t)-ENETUNREACH);
	m = message(TD_NLMSG_ERROR, buf, 20);
	CHECK(td_get_route(&m, &route) == 0);
	CHECK(route.error == ENETUNREACH && route.ifindex == 0);
	td_put32(buf, 0); /* an acknowledgement is no answer */
	CHECK(td_get_route(&m, &route) == -EBADMSG);
	m.size = 3;
	CHECK(td_get_route(&m, &route) == -EBADMSG);
}

static void
test_rules(void)
{
	static const struct {
		uint16_t attribute;
		uint32_t looks_at;
	} cases[] = {{10, TD_RULE_MARK}, {16, TD_RULE_MARK}, {20, TD_RULE_UID},
	    {23, TD_RULE_PORTS}, {24, TD_RULE_PORTS}, {28, TD_RULE_PORTS},
	    {29, TD_RULE_PORTS}, {1, 0}, {3, 0}, {6, 0}, {15, 0}, {17, 0}, {19, 0},
	    {22, 0}, {12, TD_RULE_OTHER}, {25, TD_RULE_OTHER}, {99, TD_RULE_OTHER}};
	unsigned char buf[64] = {2}, request[TD_RULES_SIZE];
	uint32_t value = 1, looks_at;
	struct td_message m;
	size_t i, size;

	td_put_rules(request, 6, 6);
	CHECK(td_get32(request) == TD_RULES_SIZE && td_get16(request + 4) == 34);
	CHECK(td_get16(request + 6) == 0x301 && request[HEADER] == 10);
	td_put_rules(request, 6, 4);
	CHECK(request[HEADER] == 2);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size = ROUTE + td_put_attribute(buf + ROUTE, cases[i].attribute,
		    &value, 4);
		m = message(32, buf, size);
		looks_at = 0;
		CHECK(td_get_rule(&m, &looks_at) == 0);
		CHECK(looks_at == cases[i].looks_at);
		m.size--;
		CHECK(td_get_rule(&m, &looks_at) == -EBADMSG);
	}
	looks_at = 0;
	buf[2] = 24; /* the length of its source */
	buf[3] = 0x10; /* its type of service */
	m = message(32, buf, ROUTE);
	CHECK(td_get_rule(&m, &looks_at) == 0);
	CHECK(looks_at == (TD_RULE_SOURCE | TD_RULE_OTHER));
	m.size--;
	CHECK(td_get_rule(&m, &looks_at) == -EBADMSG);
	m = message(24, buf, ROUTE);
	CHECK(td_get_rule(&m, &looks_at) == -EBADMSG);
}

static void
test_links(void)
{
	unsigned char buf[64] = {0}, request[TD_LINK_SIZE];
	struct td_link link;
	struct td_message m;
	uint32_t master = 12;
	size_t size = LINK + td_put_attribute(buf + LINK, 10, &master, 4);

	td_put_link(request, 5, 77);
	CHECK(td_get32(request) == TD_LINK_SIZE && td_get16(request + 4) == 18);
	CHECK(td_get32(request + HEADER + 4) == 77);
	m = message(16, buf, size);
	td_put32(buf + 8, 0x10001); /* switched on, with a carrier */
	CHECK(td_get_link(&m, &link) == 0);
	CHECK(link.error == 0 && link.flags == TD_LINK_UP && link.master == 12);
	td_put32(buf + 8, 1);
	CHECK(td_get_link(&m, &link) == 0 && link.flags == 0);
	td_put32(buf + 8, 0x10000);
	CHECK(td_get_link(&m, &link) == 0 && link.flags == 0);
	td_put32(buf + 8, 0x10009);
	CHECK(td_get_link(&m, &link) == 0 &&
	    link.flags == (TD_LINK_UP | TD_LINK_LOOPBACK));
	m.size--;
	CHECK(td_get_link(&m, &link) == -EBADMSG);
	/* A master in fewer bytes than an index has is none. */
	m.size = LINK + td_put_attribute(buf + LINK, 10, &master, 2);
	CHECK(td_get_link(&m, &link) == 0 && link.master == 0);
	m.size = LINK - 1;
	CHECK(td_get_link(&m, &link) == -EBADMSG);
	td_put32(buf, (uint32_t)-ENODEV);
	m = message(TD_NLMSG_ERROR, buf, 4);
	CHECK(td_get_link(&m, &link) == 0 && link.error == ENODEV);
}

static void
test_names(void)
{
	unsigned char buf[400] = {0}, list[300], request[TD_LINK_SIZE];
	struct td_interface found[3];
	struct td_message m;
	char longest[128];
	size_t size = LINK, in = 0;

	td_put_links(request, 5);
	CHECK(td_get16(request + 4) == 18 && td_get16(request + 6) == 0x301);
	CHECK(td_get32(request + HEADER + 4) == 0);
	memset(longest, 'x', sizeof(longest));
	longest[127] = '\0';
	in += td_put_attribute(list + in, 53, "enp9s0", 7);
	in += td_put_attribute(list + in, 99, "other", 6);
	in += td_put_attribute(list + in, 53, longest, sizeof(longest));
	td_put32(buf + 4, 7);
	size += td_put_attribute(buf + size, 3, "eth0", 5);
	size += td_put_attribute(buf + size, 52 | 0x8000, list, in);
	m = message(16, buf, size);
	CHECK(td_get_names(&m, NULL, 0) == 3);
	memset(found, 0xee, sizeof(found));
	CHECK(td_get_names(&m, found, 2) == 3);
	CHECK(found[0].index == 7 && strcmp(found[0].name, "eth0") == 0);
	CHECK(found[1].index == 7 && strcmp(found[1].name, "enp9s0") == 0);
	CHECK(found[2].index == 0xeeeeeeee);
	CHECK(td_get_names(&m, found, 3) == 3);
	CHECK(strcmp(found[2].name, longest) == 0);
	m.size--;
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	m.size = LINK - 1;
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	m = message(17, buf, size);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	size = LINK + td_put_attribute(buf + LINK, 3, "eth0", 4); /* no end */
	m = message(16, buf, size);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	size = LINK + td_put_attribute(buf + LINK, 3, "", 0); /* nothing at all */
	m = message(16, buf, size);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	memset(list, 'x', 129);
	list[128] = '\0';
	size = LINK + td_put_attribute(buf + LINK, 3, list, 129); /* too long */
	m = message(16, buf, size);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	/* The same among the other names; and one that is longer than their list. */
	in = td_put_attribute(list + 140, 53, list, 129);
	size = LINK + td_put_attribute(buf + LINK, 52, list + 140, in);
	m = message(16, buf, size);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
	td_put16(buf + LINK + 4, 200);
	CHECK(td_get_names(&m, found, 3) == -EBADMSG);
}

static void
test_indices(void)
{
	unsigned char buf[16] = {0}, request[TD_STATS_SIZE];
	struct td_message m;
	uint32_t index = 0;

	td_put_stats(request, 5);
	CHECK(td_get32(request) == TD_STATS_SIZE && td_get16(request + 4) == 94);
	CHECK(td_get16(request + 6) == 0x301);
	CHECK(td_get32(request + HEADER + 8) != 0); /* else the kernel refuses it */
	td_put32(buf + 4, 77);
	m = message(92, buf, 12);
	CHECK(td_get_index(&m, &index) == 0 && index == 77);
	m.size--;
	CHECK(td_get_index(&m, &index) == -EBADMSG);
	td_put32(buf + 4, 78);
	m = message(16, buf, LINK);
	CHECK(td_get_index(&m, &index) == 0 && index == 78);
	m.size--;
	CHECK(td_get_index(&m, &index) == -EBADMSG);
	m = message(24, buf, sizeof(buf));
	CHECK(td_get_index(&m, &index) == -EBADMSG);
}

int
main(void)
{
	test_route_requests();
	test_families();
	test_route_answers();
	test_rules();
	test_links();
	test_names();
	test_indices();
	puts("test_rtnetlink: ok");
	return 0;
}
