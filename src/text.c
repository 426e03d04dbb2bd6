/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - rows as text.  Pure: no system calls, no Python.  inet_ntop(3). */
#include "text.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "backend.h"

static char *
put_number(char *to, unsigned n) /* 0 to 65535 */
{
	char digits[5];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	while (i > 0)
		*to++ = digits[--i];
	return to;
}

static char *
put_address(char *to, const uint8_t *addr, int family)
{
	int i;

	if (family == 6 && !td_is_mapped(addr)) {
		(void)inet_ntop(AF_INET6, addr, to, INET6_ADDRSTRLEN); /* which has room */
		return to + strlen(to);
	}
	if (family == 6)
		addr += 12;
	for (i = 0; i < 4; i++) {
		if (i != 0)
			*to++ = '.';
		to = put_number(to, addr[i]);
	}
	return to;
}

size_t
td_put_classic(char *to, const struct td_row *row)
{
	char *p = to;

	/* Behind an address there is always room for inet_ntop()'s end mark. */
	p = put_address(p, row->laddr, row->family);
	*p++ = ' ';
	p = put_number(p, row->lport);
	*p++ = ' ';
	p = put_address(p, row->raddr, row->family);
	*p++ = ' ';
	p = put_number(p, row->rport);
	return (size_t)(p - to);
}
