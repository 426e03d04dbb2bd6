/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mib2_finish.c - from the kernel's tables to one row a socket.  What is odd:
 * an IPv6 socket that is bound to every address stands in both tables, and who
 * owns an inode comes in a table of its own, by row number.  Pure, as mib2.c.
 */
#include "mib2.h"

#include <errno.h>
#include <string.h>

static uint64_t
get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* ---- EXPER_SOCK_INFO ---------------------------------------------------- */

/* An IPv6 socket in the IPv4 table is family 6 with v4-mapped addresses. */
static void
map_addresses(struct td_row *row)
{
	uint8_t *addrs[2] = {row->laddr, row->raddr};
	int i;

	for (i = 0; i < 2; i++) {
		memcpy(addrs[i] + 12, addrs[i], 4);
		memset(addrs[i], 0, 10);
		memset(addrs[i] + 10, 0xff, 2);
	}
	row->family = 6;
}

/*
 * Table 106 had another meaning in kernels before its release: it is taken
 * for what we know only when all of it fits, and is otherwise passed over.
 */
void
td_mib2_join(struct td_mib2 *walk, int family, const unsigned char *at,
    size_t size)
{
	size_t first = family == 4 ? walk->first4 : walk->first6;
	uint64_t count = family == 4 ? walk->count4 : walk->count6;
	size_t i;

	if ((walk->entry4 != 172 && walk->entry4 != 184) ||
	    size % TD_SOCK_INFO_SIZE != 0)
		return;
	for (i = 0; i < size; i += TD_SOCK_INFO_SIZE)
		if (get64(at + i) >= count)
			return;
	for (i = 0; i < size; i += TD_SOCK_INFO_SIZE) {
		uint64_t flags = get64(at + i + TD_SOCK_INFO_FLAGS);
		struct td_row *row = td_rows_at(walk->rows,
		    first + (size_t)get64(at + i));

		/* The number of a TLI endpoint is no socket's. */
		if ((flags & TD_SOCK_INFO_STREAM) == 0)
			row->inode = get64(at + i + TD_SOCK_INFO_INODE);
		if (family != 4 || (flags & TD_SOCK_INFO_IPV6) == 0 ||
		    row->family != 4)
			continue;
		if (td_mib2_is_connection(row)) {
			map_addresses(row);
		} else {
			/* It stands in the IPv6 table too: in no mask from here. */
			row->state = 0;
			walk->twins++;
		}
	}
}

/* ---- the end of a walk -------------------------------------------------- */

static int
is_any(const struct td_row *row)
{
	static const uint8_t zeroes[16];

	return memcmp(row->laddr, zeroes, sizeof(zeroes)) == 0;
}

/*
 * Without EXPER_SOCK_INFO the IPv4 shadow of an IPv6 listener is told by port
 * and identity.  A bit for each port keeps this to one pass: few listen.
 */
static void
drop_twins(struct td_mib2 *walk)
{
	unsigned char ports[65536 / 8];
	size_t i, k;

	memset(ports, 0, sizeof(ports));
	for (i = 0; i < walk->count6; i++) {
		const struct td_row *row = td_rows_at(walk->rows,
		    walk->first6 + i);

		if (row->state == TD_STATE_LISTEN && is_any(row))
			ports[row->lport / 8] |= (unsigned char)(1u <<
			    row->lport % 8);
	}
	for (i = 0; i < walk->count4; i++) {
		struct td_row *row = td_rows_at(walk->rows, walk->first4 + i);

		if (row->state != TD_STATE_LISTEN || row->cookie == 0 ||
		    !is_any(row) ||
		    (ports[row->lport / 8] >> row->lport % 8 & 1) == 0)
			continue;
		for (k = 0; k < walk->count6 && row->state != 0; k++) {
			const struct td_row *other = td_rows_at(walk->rows,
			    walk->first6 + k);

			if (other->state == TD_STATE_LISTEN && is_any(other) &&
			    other->lport == row->lport &&
			    other->cookie == row->cookie)
				row->state = 0; /* in no mask from here */
		}
	}
}

int
td_mib2_finish(struct td_mib2 *walk, const struct td_query *query)
{
	struct td_rows *rows = walk->rows;
	size_t i, kept = 0;

	if (!walk->seen)
		return -ENOMEM;
	if (walk->twins == 0)
		drop_twins(walk);
	for (i = 0; i < rows->count; i++) {
		const struct td_row *row = td_rows_at(rows, i);

		if ((query->states >> row->state & 1) == 0 || row->state == 0 ||
		    (query->sport != 0 && row->lport != query->sport) ||
		    (query->dport != 0 && row->rport != query->dport))
			continue;
		if (kept != i)
			memcpy(td_rows_at(rows, kept), row, rows->stride);
		kept++;
	}
	rows->count = kept;
	return 0;
}
