/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tuple.c - which socket has the ends that were asked for, mapped ones too. */
#include "backend.h"

#include <string.h>

#include "check.h"

/* What is no four-tuple to abort something by, and in which words. */
static void
test_check(void)
{
	static const struct {
		struct td_tuple tuple;
		const char *says;
	} cases[] = {
		{{.family = 4, .laddr = {1}, .raddr = {1}, .lport = 1, .rport = 1}, NULL},
		{{.family = 6, .laddr = {1}, .raddr = {1}, .lport = 1, .rport = 1}, NULL},
		{{.family = 5, .laddr = {1}, .raddr = {1}, .lport = 1, .rport = 1}, "family"},
		{{.family = 4, .laddr = {1}, .raddr = {1}, .rport = 1}, "port 0"},
		{{.family = 4, .laddr = {1}, .raddr = {1}, .lport = 1}, "port 0"},
		{{.family = 4, .raddr = {1}, .lport = 1, .rport = 1}, "unspecified"},
		{{.family = 4, .laddr = {1}, .lport = 1, .rport = 1}, "unspecified"},
		{{.family = 6, .laddr = {[10] = 0xff, 0xff}, .raddr = {1}, .lport = 1,
		     .rport = 1}, "unspecified"},
		{{.family = 6, .laddr = {[10] = 0xff, 0xff, 1}, .raddr = {1}, .lport = 1,
		     .rport = 1}, "IPv4 and the other IPv6"},
		{{.family = 4, .laddr = {1}, .raddr = {1}, .lport = 1, .rport = 1,
		     .cookie = UINT64_MAX}, "wildcard"},
	};
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int error = td_tuple_check(&cases[i].tuple, &why);

		CHECK((error != 0) == (cases[i].says != NULL));
		CHECK((why != NULL) == (cases[i].says != NULL));
		CHECK(why == NULL || strstr(why, cases[i].says) != NULL);
	}
}

int
main(void)
{
	struct td_tuple t = {.family = 4, .laddr = {192, 0, 2, 1},
	    .raddr = {192, 0, 2, 2}, .lport = 1, .rport = 2};
	struct td_row row = {.family = 4, .laddr = {192, 0, 2, 1},
	    .raddr = {192, 0, 2, 2}, .lport = 1, .rport = 2}, mapped = row;

	mapped.family = 6;
	memset(mapped.laddr, 0, 16);
	memset(mapped.laddr + 10, 0xff, 2);
	memcpy(mapped.raddr, mapped.laddr, 12);
	memcpy(mapped.laddr + 12, row.laddr, 4);
	memcpy(mapped.raddr + 12, row.raddr, 4);
	CHECK(td_same_ends(&t, &row) && td_same_ends(&t, &mapped));
	t.family = 6;
	CHECK(!td_same_ends(&t, &row) && !td_same_ends(&t, &mapped));
	memcpy(t.laddr, mapped.laddr, 16);
	memcpy(t.raddr, mapped.raddr, 16);
	CHECK(td_same_ends(&t, &row) && td_same_ends(&t, &mapped));
	t.raddr[15] ^= 1;
	CHECK(!td_same_ends(&t, &row) && !td_same_ends(&t, &mapped));
	t.raddr[15] ^= 1;
	t.rport++;
	CHECK(!td_same_ends(&t, &row));
	t.rport--;
	t.lport++;
	CHECK(!td_same_ends(&t, &row));
	t.lport--;
	/* Of IPv6: the same, another, and IPv4 at one end alone, whoever has it. */
	row.family = 6;
	row.raddr[15] = 9;
	memcpy(t.laddr, row.laddr, 16);
	memcpy(t.raddr, row.raddr, 16);
	CHECK(td_same_ends(&t, &row));
	row.laddr[14] ^= 1;
	CHECK(!td_same_ends(&t, &row) && !td_same_ends(&t, &mapped));
	t = (struct td_tuple){.family = 6, .lport = 1, .rport = 2};
	memcpy(t.laddr, mapped.laddr, 16);
	CHECK(!td_same_ends(&t, &row));
	test_check();
	puts("test_tuple: ok");
	return 0;
}
