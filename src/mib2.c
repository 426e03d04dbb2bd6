/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mib2.c - TCP tables as illumos and Solaris answer them.  What is odd:
 *
 * - The entries changed size and inner layout in 2006 and 2019 and differ by
 *   processor, without a version number.  (262,0) tells the size of one entry;
 *   we step by that, and the size tells the layout.  The first 20 (IPv4) or 48
 *   (IPv6) bytes never changed; of an unknown size nothing else is believed.
 * - Addresses are in network order, ports in host order.
 * - A kernel out of memory at the start answers with no tables at all, and so
 *   looks like one without connections, but for the missing (262,0).  One that
 *   runs out on the way leaves rows out and says nothing: only tcpCurrEstab,
 *   which it counts in the same loop, tells (mib2_finish.c).
 * - IPv4 is listed as IPv4, whatever kind of socket carries it.
 * - Nothing is aligned on x86, so everything goes through memcpy.
 *
 * mib2.h, tihdr.h and netstat of illumos; the facts in our docs/porting.md.
 */
#include "mib2.h"

#include <errno.h>
#include <string.h>

struct layout {
	uint32_t size;
	uint16_t counters, snxt, suna, rnxt, rack, state, pid, created;
};

#define LAYOUT(...) {__VA_ARGS__},
static const struct layout layouts4[] = {TD_MIB2_LAYOUTS4(LAYOUT)};
static const struct layout layouts6[] = {TD_MIB2_LAYOUTS6(LAYOUT)};
static const struct layout unknown_layout;

/* The eleven counters of 2019, those that we show. */
enum { IN_ORDER_BYTES = 0, UNORDERED_BYTES = 2, OUT_BYTES = 5, RETRANS = 8 };

#define STATE(mib, mib_number, tcps, tcps_number, ours) \
	{mib_number, tcps_number, TD_STATE_##ours},
static const struct {
	int mib;
	int tcps;
	uint8_t state;
} states[] = {TD_MIB2_STATES(STATE)};

static uint32_t
get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t
get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* ---- messages ----------------------------------------------------------- */

void
td_mib2_put_request(void *buf)
{
	/*
	 * T_optmgmt_req, then opthdr {level, name, len}.  Level 262 is the one
	 * that costs least; len 1 tells Solaris 10 that we know long entries.
	 */
	static const uint32_t request[TD_MIB2_REQUEST / 4] = {
		TD_T_SVR4_OPTMGMT_REQ, 12, 16, TD_T_CURRENT, TD_MIB2_TCP, 0, 1};

	memcpy(buf, request, sizeof(request));
}

int
td_mib2_get_reply(const void *control, size_t size, int has_data,
    struct td_mib2_reply *reply)
{
	const unsigned char *at = control;
	uint32_t type, error;

	memset(reply, 0, sizeof(*reply));
	if (size < 16)
		return -EPROTO;
	type = get32(at);
	if (type == TD_T_ERROR_ACK) {
		/* Refusals without an errno of their own carry a zero there. */
		error = get32(at + 8);
		if (error == TD_TACCES)
			return -EACCES;
		error = error == TD_TSYSERR ? get32(at + 12) : 0;
		return error > 0 && error < 4096 ? -(int)error : -EPROTO;
	}
	if (size < TD_MIB2_REQUEST || type != TD_T_OPTMGMT_ACK ||
	    get32(at + 12) != TD_T_SUCCESS)
		return -EPROTO;
	reply->level = get32(at + 16);
	reply->name = get32(at + 20);
	reply->len = get32(at + 24);
	if (has_data)
		return TD_MIB2_TABLE;
	return reply->len == 0 ? TD_MIB2_END : -EPROTO;
}

/* ---- tables ------------------------------------------------------------- */

static const struct layout *
find_layout(const struct layout *at, size_t n, uint32_t size)
{
	for (; n > 0; n--, at++)
		if (at->size == size)
			return at;
	return &unknown_layout;
}

static uint8_t
state_of(struct td_mib2 *walk, const unsigned char *entry,
    const struct layout *l, size_t at)
{
	int mib = (int)get32(entry + at), tcps;
	size_t i;

	walk->found += mib == TD_MIB2_ESTABLISHED || mib == TD_MIB2_CLOSE_WAIT;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (states[i].mib == mib)
			return states[i].state;
	if (l->state == 0)
		return 0;
	tcps = (int)get32(entry + l->state);
	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (states[i].tcps == tcps)
			return states[i].state;
	return 0; /* in no mask: a socket of which nothing is known */
}

/* a - b of sequence numbers, as netstat shows it: never below zero. */
static uint32_t
queue(const unsigned char *entry, uint16_t a, uint16_t b, uint32_t less)
{
	int32_t bytes = (int32_t)(get32(entry + a) - get32(entry + b) - less);

	return bytes > 0 ? (uint32_t)bytes : 0;
}

static void
take_rest(const unsigned char *entry, const struct layout *l,
    struct td_row *row, struct td_info *info)
{
	const unsigned char *counters = entry + l->counters;
	uint64_t retrans;

	if (l->pid != 0)
		row->pid = get32(entry + l->pid);
	if (l->created != 0)
		row->created = get64(entry + l->created);
	/*
	 * The nearest to an identity that this kernel shows.  40 bits of clock
	 * ticks are 348 years, and a process id has fewer than 24 bits.
	 */
	if (row->created != 0)
		row->cookie = row->created << 24 | (row->pid & 0xffffff);
	if (l->snxt != 0 && td_row_is_connection(row)) {
		row->recvq = queue(entry, l->rnxt, l->rack, 0);
		row->sendq = queue(entry, l->snxt, l->suna, 1);
		row->flags |= TD_ROW_QUEUES;
	}
	if (info == NULL || l->counters == 0 || !td_row_is_connection(row))
		return;
	info->bytes_sent = get64(counters + 8 * OUT_BYTES);
	info->bytes_received = get64(counters + 8 * IN_ORDER_BYTES) +
	    get64(counters + 8 * UNORDERED_BYTES);
	retrans = get64(counters + 8 * RETRANS);
	info->retrans = retrans > UINT32_MAX ? UINT32_MAX : (uint32_t)retrans;
	info->known = TD_INFO_BYTES | TD_INFO_RETRANS;
}

static void
take4(struct td_mib2 *walk, const unsigned char *entry, const struct layout *l,
    struct td_row *row, struct td_info *info)
{
	row->family = 4;
	row->state = state_of(walk, entry, l, TD_ENTRY4_STATE);
	memcpy(row->laddr, entry + TD_ENTRY4_LADDR, 4);
	row->lport = (uint16_t)get32(entry + TD_ENTRY4_LPORT);
	memcpy(row->raddr, entry + TD_ENTRY4_RADDR, 4);
	row->rport = (uint16_t)get32(entry + TD_ENTRY4_RPORT);
	take_rest(entry, l, row, info);
}

static void
take6(struct td_mib2 *walk, const unsigned char *entry, const struct layout *l,
    struct td_row *row, struct td_info *info)
{
	row->family = 6;
	memcpy(row->laddr, entry + TD_ENTRY6_LADDR, 16);
	row->lport = (uint16_t)get32(entry + TD_ENTRY6_LPORT);
	memcpy(row->raddr, entry + TD_ENTRY6_RADDR, 16);
	row->rport = (uint16_t)get32(entry + TD_ENTRY6_RPORT);
	row->ifindex = get32(entry + TD_ENTRY6_IFINDEX);
	row->state = state_of(walk, entry, l, TD_ENTRY6_STATE);
	take_rest(entry, l, row, info);
}

static int
take_connections(struct td_mib2 *walk, int family, const unsigned char *at,
    size_t size)
{
	size_t step = family == 4 ? walk->entry4 : walk->entry6;
	size_t prefix = family == 4 ? TD_ENTRY4_PREFIX : TD_ENTRY6_PREFIX;
	size_t first = walk->rows->count, n;
	const struct layout *l = family == 4
	    ? find_layout(layouts4, sizeof(layouts4) / sizeof(*layouts4),
		  walk->entry4)
	    : find_layout(layouts6, sizeof(layouts6) / sizeof(*layouts6),
		  walk->entry6);

	if (family == 4 ? walk->count4 : walk->count6)
		return -EPROTO; /* the numbers of EXPER_SOCK_INFO would be torn */
	if (size != 0 && (step < prefix || size % step != 0))
		return -EPROTO;
	for (n = size == 0 ? 0 : size / step; n > 0; n--, at += step) {
		struct td_row *row = td_rows_add(walk->rows);

		if (row == NULL)
			return -ENOMEM;
		(family == 4 ? take4 : take6)(walk, at, l, row,
		    td_rows_info(walk->rows, row));
	}
	*(family == 4 ? &walk->first4 : &walk->first6) = first;
	*(family == 4 ? &walk->count4 : &walk->count6) =
	    walk->rows->count - first;
	return 0;
}

int
td_mib2_take(struct td_mib2 *walk, const struct td_mib2_reply *reply,
    const void *data, size_t size)
{
	const unsigned char *at = data;

	if (reply->level == TD_MIB2_TCP && reply->name == 0) {
		if (size < TD_TCP_SIZE)
			return -EPROTO;
		walk->seen = 1;
		walk->established = get32(at + TD_TCP_ESTABLISHED);
		walk->entry4 = get32(at + TD_TCP_ENTRY4);
		walk->entry6 = get32(at + TD_TCP_ENTRY6);
		return 0;
	}
	if (reply->level == TD_MIB2_TCP && reply->name == TD_MIB2_TCP_CONN)
		return take_connections(walk, 4, at, size);
	if (reply->level == TD_MIB2_TCP6 && reply->name == TD_MIB2_TCP6_CONN)
		return take_connections(walk, 6, at, size);
	if (reply->name == TD_EXPER_SOCK_INFO && reply->level == TD_MIB2_TCP)
		td_mib2_join(walk, 4, at, size);
	else if (reply->name == TD_EXPER_SOCK_INFO &&
	    reply->level == TD_MIB2_TCP6)
		td_mib2_join(walk, 6, at, size);
	return 0;
}
