/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tuple.c - when a four-tuple is exact enough to abort something.
 *
 * illumos takes port 0 and the unspecified address as "any", and an exact
 * look-up on Linux that finds no connection goes on to the listeners.  So a
 * wildcard must not leave this program, on any system.
 */
#include "backend.h"

#include <errno.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
    0xff};
static const uint8_t zeroes[16];

int
td_is_mapped(const uint8_t addr[16])
{
	return memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static int
is_unspecified(uint8_t family, const uint8_t *addr)
{
	if (family == 4)
		return memcmp(addr, zeroes, 4) == 0;
	return memcmp(addr, zeroes, 16) == 0 ||
	    (td_is_mapped(addr) && memcmp(addr + 12, zeroes, 4) == 0);
}

int
td_tuple_check(const struct td_tuple *t, const char **why)
{
	*why = NULL;
	if (t->family != 4 && t->family != 6)
		*why = "the address family is neither IPv4 nor IPv6";
	else if (t->lport == 0 || t->rport == 0)
		*why = "port 0 is a wildcard";
	else if (is_unspecified(t->family, t->laddr) ||
	    is_unspecified(t->family, t->raddr))
		*why = "the unspecified address is a wildcard";
	else if (t->family == 6 &&
	    td_is_mapped(t->laddr) != td_is_mapped(t->raddr))
		*why = "one address is IPv4 and the other IPv6";
	else if (t->cookie == UINT64_MAX)
		*why = "this cookie is the kernel's wildcard";
	return *why == NULL ? 0 : -EINVAL;
}

/* The 4 bytes of an IPv4 address however it is carried, or NULL. */
static const uint8_t *
as_ipv4(uint8_t family, const uint8_t *addr)
{
	if (family == 4)
		return addr;
	return td_is_mapped(addr) ? addr + 12 : NULL;
}

static int
same_address(uint8_t fa, const uint8_t *a, uint8_t fb, const uint8_t *b)
{
	const uint8_t *a4 = as_ipv4(fa, a), *b4 = as_ipv4(fb, b);

	if (a4 != NULL && b4 != NULL)
		return memcmp(a4, b4, 4) == 0;
	return a4 == NULL && b4 == NULL && memcmp(a, b, 16) == 0;
}

int
td_same_ends(const struct td_tuple *t, const struct td_row *row)
{
	return t->lport == row->lport && t->rport == row->rport &&
	    same_address(t->family, t->laddr, row->family, row->laddr) &&
	    same_address(t->family, t->raddr, row->family, row->raddr);
}
