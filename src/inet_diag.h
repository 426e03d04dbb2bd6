/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet_diag.h - the bytes of a sock_diag conversation: build requests into a
 * buffer, take replies out of one.  Pure: no system calls, no allocation, no
 * system headers, so that it compiles and is fuzzed anywhere.  linux.c asserts
 * these numbers against the kernel's own headers.
 */
#ifndef TD_INET_DIAG_H
#define TD_INET_DIAG_H

#include "backend.h"
#include "netlink.h"

enum {
	TD_TCPDIAG_GETSOCK = 18, /* compat: one walk for both families */
	TD_SOCK_DIAG_BY_FAMILY = 20,
	TD_SOCK_DESTROY = 21
};

#define TD_EXACT_SIZE 72u	/* a look-up or a destroy */
#define TD_DUMP_HEADER 76u	/* a dump without bytecode */
#define TD_RANGE_PROGRAM 44u	/* what a range of ports adds at most */

/*
 * The sockets whose larger port number is in lo..hi.  Disjoint ranges that
 * cover 0..65535 divide a dump among threads, clients and servers alike.
 */
struct td_range {
	uint16_t lo;
	uint16_t hi;
};

/*
 * The size of a dump request with this query, or 0 when its bytecode is too
 * long for one; td_put_dump() writes that many bytes.
 */
size_t td_dump_size(const struct td_query *query, struct td_range range);
void td_put_dump(void *buf, uint32_t seq, const struct td_query *query,
    struct td_range range);

/* The k-th of n ranges, balanced over the usual ephemeral ports. */
struct td_range td_range_part(int k, int n);

/* Write a look-up (cookie unchecked): TD_EXACT_SIZE bytes. */
void td_put_lookup(void *buf, uint32_t seq, const struct td_tuple *tuple);

/* Write a destroy of the socket a reply described: TD_EXACT_SIZE bytes. */
void td_put_destroy(void *buf, uint32_t seq, const struct td_row *row, int ack);

/*
 * Take the socket out of a reply: 0, or -EBADMSG.  row and info (may be NULL)
 * come zeroed.
 */
int td_get_row(const struct td_message *message, struct td_row *row,
    struct td_info *info);

/* What tells who opened a connection while data is under way; all 0 where the kernel does not. */
struct td_counters {
	uint64_t sent; /* bytes, with those of retransmissions */
	uint64_t retrans;
	uint64_t acked;	 /* with the SYN, where this end sent the first one */
	uint32_t queued; /* sent and not acknowledged, or not sent yet */
	uint32_t unsent;
	uint8_t state;
};

/* Of a look-up's reply: 0, or -EBADMSG. */
int td_get_counters(const struct td_message *message, struct td_counters *c);

/*
 * Did this end certainly open the connection, by two looks one after the other?
 * They must say the same: counters that only grow, and have not, stood still
 * from the first reading to the second, and the second queue was read between.
 */
int td_opened_by_both(const struct td_counters *one,
    const struct td_counters *then);

#endif
