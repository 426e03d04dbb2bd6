/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mib2_finish.c - from the kernel's tables to one row a socket.  What is odd:
 *
 * - An IPv6 socket that listens, is bound or idle, on every address and not
 *   for IPv6 alone, stands in the IPv4 table too, as 0.0.0.0: its shadow.
 * - Who owns an inode comes in a table of its own, EXPER_SOCK_INFO, by row
 *   number.  It is sparse, and says which rows are shadows.
 * - A row for which the kernel finds no memory is left out without a word, and
 *   its number still counts.
 *
 * Pure, as mib2.c.
 */
#include "mib2.h"

#include <errno.h>
#include <string.h>

/* In td_row.flags while a walk is finished: is it known whose row this is? */
#define SETTLED 0x80000000u
/* And is it known to be a shadow? */
#define SHADOW 0x40000000u

static uint64_t
get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static int
is_any(const struct td_row *row)
{
	static const uint8_t zeroes[16];

	return memcmp(row->laddr, zeroes, sizeof(zeroes)) == 0;
}

/* ---- EXPER_SOCK_INFO ---------------------------------------------------- */

/*
 * Table 106 had another meaning in kernels before its release, and numbers that
 * do not fit where rows are missing: it is taken when all of it fits, and is
 * otherwise passed over.
 */
static int
fits(const struct td_mib2 *walk, size_t first, uint64_t count, int family,
    const unsigned char *at, size_t size)
{
	uint64_t least = 0;
	size_t i;

	if ((walk->entry4 != 172 && walk->entry4 != 184) ||
	    size % TD_SOCK_INFO_SIZE != 0)
		return 0;
	for (i = 0; i < size; i += TD_SOCK_INFO_SIZE) {
		uint64_t number = get64(at + i);
		uint64_t flags = get64(at + i + TD_SOCK_INFO_FLAGS);

		if (number < least || number >= count)
			return 0;
		if (family == 4 && (flags & TD_SOCK_INFO_IPV6) != 0 &&
		    !is_any(td_rows_at(walk->rows, first + (size_t)number)))
			return 0;
		least = number + 1;
	}
	return 1;
}

void
td_mib2_join(struct td_mib2 *walk, int family, const unsigned char *at,
    size_t size)
{
	size_t first = family == 4 ? walk->first4 : walk->first6;
	uint64_t count = family == 4 ? walk->count4 : walk->count6;
	size_t i;

	if (!fits(walk, first, count, family, at, size))
		return;
	for (i = 0; i < size; i += TD_SOCK_INFO_SIZE) {
		uint64_t flags = get64(at + i + TD_SOCK_INFO_FLAGS);
		struct td_row *row = td_rows_at(walk->rows,
		    first + (size_t)get64(at + i));

		/* The number of a TLI endpoint is no socket's. */
		if ((flags & TD_SOCK_INFO_STREAM) == 0)
			row->inode = get64(at + i + TD_SOCK_INFO_INODE);
		row->flags |= SETTLED;
		if (family == 4 && (flags & TD_SOCK_INFO_IPV6) != 0)
			row->flags |= SHADOW;
	}
}

/* ---- shadows ------------------------------------------------------------ */

/* Could it be a shadow, or have one?  Only by what tells it from others. */
static int
is_open_to_all(const struct td_row *row)
{
	return (row->state == TD_STATE_LISTEN || row->state == TD_STATE_CLOSED) &&
	    is_any(row) && (row->pid != 0 || row->created != 0);
}

static int
is_shadow(const struct td_row *row, const struct td_row *of)
{
	return row->state == of->state && row->lport == of->lport &&
	    row->pid == of->pid && row->created == of->created;
}

static unsigned
hash(const struct td_row *row)
{
	uint64_t h = (row->created << 24 ^ row->pid) * 0x9e3779b97f4a7c15u;

	return (unsigned)((h ^ row->lport * 0xff51afd7ed558ccdu) >> 48);
}

/* The socket of a shadow, each for one only; looked for where the last was. */
static struct td_row *
find_socket(const struct td_mib2 *walk, const struct td_row *shadow,
    size_t *last)
{
	size_t i;

	for (i = 0; i < walk->count6; i++) {
		size_t at = (*last + i) % walk->count6;
		struct td_row *row = td_rows_at(walk->rows, walk->first6 + at);

		if ((row->flags & SETTLED) == 0 && is_open_to_all(row) &&
		    is_shadow(shadow, row)) {
			*last = at;
			return row;
		}
	}
	return NULL;
}

/*
 * A shadow says that its socket, in the IPv6 table, takes IPv4 as well.  Where
 * EXPER_SOCK_INFO has no word, it is told by port and identity.  A set of bits
 * keeps this near one pass: hardly a row is looked for in vain.
 */
static void
drop_shadows(struct td_mib2 *walk)
{
	unsigned char seen[65536 / 8];
	size_t i, last = 0;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < walk->count6; i++) {
		struct td_row *row = td_rows_at(walk->rows, walk->first6 + i);

		row->flags &= ~SETTLED;
		if (is_open_to_all(row))
			seen[hash(row) / 8] |= (unsigned char)(1u << hash(row) % 8);
	}
	for (i = 0; i < walk->count4; i++) {
		struct td_row *row = td_rows_at(walk->rows, walk->first4 + i);
		struct td_row *socket = NULL;

		if ((row->flags & (SETTLED | SHADOW)) == SETTLED)
			continue;
		if (is_open_to_all(row) &&
		    (seen[hash(row) / 8] >> hash(row) % 8 & 1) != 0)
			socket = find_socket(walk, row, &last);
		if (socket != NULL)
			socket->flags |= SETTLED | TD_ROW_DUAL;
		if (socket != NULL || (row->flags & SHADOW) != 0)
			row->state = 0; /* in no mask from here */
	}
}

/* ---- the end of a walk -------------------------------------------------- */

int
td_mib2_finish(struct td_mib2 *walk, const struct td_query *query)
{
	struct td_rows *rows = walk->rows;
	size_t i, kept = 0;

	if (!walk->seen || walk->found != walk->established)
		return -ENOMEM;
	drop_shadows(walk);
	for (i = 0; i < rows->count; i++) {
		struct td_row *row = td_rows_at(rows, i);

		/* State 0, of a shadow or unknown, is in no mask. */
		if ((query->states >> row->state & 1) == 0 ||
		    (query->sport != 0 && row->lport != query->sport) ||
		    (query->dport != 0 && row->rport != query->dport))
			continue;
		row->flags &= ~SETTLED;
		if (kept != i)
			memcpy(td_rows_at(rows, kept), row, rows->stride);
		kept++;
	}
	rows->count = kept;
	return 0;
}
