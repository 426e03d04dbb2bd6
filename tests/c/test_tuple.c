/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tuple.c - which socket has the ends that were asked for, mapped ones too. */
#include "backend.h"

#include <string.h>

#include "check.h"

int
main(void)
{
	struct td_tuple t = {.family = 4, .laddr = {192, 0, 2, 1},
	    .raddr = {192, 0, 2, 2}, .lport = 1, .rport = 2};
	struct td_row row = {.family = 4, .laddr = {192, 0, 2, 1},
	    .raddr = {192, 0, 2, 2}, .lport = 1, .rport = 2}, mapped = row;
	const char *why;

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
	t.cookie = UINT64_MAX;
	CHECK(td_tuple_check(&t, &why) != 0);
	t.family = 5;
	CHECK(td_tuple_check(&t, &why) != 0 && strstr(why, "family") != NULL);
	puts("test_tuple: ok");
	return 0;
}
