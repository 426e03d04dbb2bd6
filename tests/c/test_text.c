/* SPDX-License-Identifier: BSD-2-Clause */
/* test_text.c - rows as lines, every width of a number, each kind of address. */
#include "text.h"

#include <string.h>

#include "check.h"

static const struct {
	struct td_row row;
	const char *text;
} cases[] = {
	{{.family = 4, .laddr = {192, 0, 2, 1}, .raddr = {0, 9, 10, 255},
	     .lport = 22, .rport = 65535}, "192.0.2.1 22 0.9.10.255 65535"},
	{{.family = 6, .laddr = {0x20, 1, 0xd, 0xb8, [15] = 1},
	     .raddr = {[15] = 1}, .lport = 0, .rport = 443}, "2001:db8::1 0 ::1 443"},
	/* IPv4 is written as that, whatever socket carries it. */
	{{.family = 6, .laddr = {[10] = 0xff, 0xff, 198, 51, 100, 7},
	     .raddr = {[10] = 0xff, 0xff, 100, 99, 9, 0}, .lport = 8080, .rport = 1},
	    "198.51.100.7 8080 100.99.9.0 1"},
};

int
main(void)
{
	char line[256];
	size_t i, size;
	struct td_row longest = {.family = 6, .lport = 12345, .rport = 12345};

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(line, 'x', sizeof(line));
		size = td_put_classic(line, &cases[i].row);
		CHECK(size == strlen(cases[i].text) && memcmp(line, cases[i].text, size) == 0);
	}
	memset(longest.laddr, 0xff, 16);
	memset(longest.raddr, 0xff, 16);
	memset(line, 'x', sizeof(line));
	size = td_put_classic(line, &longest);
	CHECK(size <= TD_CLASSIC_MAX && line[TD_CLASSIC_MAX] == 'x');
	puts("test_text: ok");
	return 0;
}
