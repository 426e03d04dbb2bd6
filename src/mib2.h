/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mib2.h - the bytes of a MIB2 conversation with illumos or Solaris: build the
 * request, take replies and tables apart.  Pure: no system calls, no system
 * headers beyond C's own, and no memory but the rows', so that it compiles and
 * is fuzzed anywhere.  sunos.h asserts these numbers against the real headers.
 */
#ifndef TD_MIB2_H
#define TD_MIB2_H

#include "backend.h"

/* TPI primitives and flags. */
enum {
	TD_T_SVR4_OPTMGMT_REQ = 9, /* T_OPTMGMT_REQ is 9 or 27: never that one */
	TD_T_ERROR_ACK = 18,
	TD_T_OPTMGMT_ACK = 22,
	TD_T_SUCCESS = 0x20,
	TD_T_CURRENT = 0x80,
	TD_TACCES = 3,
	TD_TSYSERR = 8
};

/* Which table: always the pair, for a name alone means several things. */
enum {
	TD_MIB2_TCP = 262,
	TD_MIB2_TCP6 = 270,
	TD_MIB2_TCP_CONN = 13,
	TD_MIB2_TCP6_CONN = 14,
	TD_EXPER_SOCK_INFO = 106
};

/* In (262,0): how large one entry of either connection table is. */
enum { TD_TCP_ENTRY4 = 48, TD_TCP_ENTRY6 = 208, TD_TCP_SIZE = 212 };

/* One entry of EXPER_SOCK_INFO. */
enum {
	TD_SOCK_INFO_SIZE = 32,
	TD_SOCK_INFO_INODE = 8,
	TD_SOCK_INFO_FLAGS = 16,
	TD_SOCK_INFO_STREAM = 1, /* not a socket but a TLI endpoint */
	TD_SOCK_INFO_IPV6 = 2	 /* an IPv6 socket in the IPv4 table */
};

#define TD_MIB2_REQUEST 28u /* control part of request and reply alike */

/* A table larger than this is a lie or a machine we have never seen. */
#define TD_MIB2_TABLE_MAX ((size_t)256 << 20)

/* Write the request for the TCP tables: TD_MIB2_REQUEST bytes. */
void td_mib2_put_request(void *buf);

enum { TD_MIB2_TABLE, TD_MIB2_END };

struct td_mib2_reply {
	uint32_t level;
	uint32_t name;
	uint32_t len; /* what the data part should have */
};

/*
 * Read a reply's control part.  has_data: getmsg said that a data part waits.
 * TD_MIB2_TABLE, TD_MIB2_END or -errno: what the kernel's refusal says,
 * -EPROTO for what is no reply at all.
 */
int td_mib2_get_reply(const void *control, size_t size, int has_data,
    struct td_mib2_reply *reply);

/* One walk.  Zero it and set rows; the rows are freed by the caller. */
struct td_mib2 {
	struct td_rows *rows;
	int seen;	 /* (262,0) has come */
	uint32_t entry4; /* its entry sizes */
	uint32_t entry6;
	size_t first4, count4; /* where the tables' rows stand in rows */
	size_t first6, count6;
	size_t twins; /* IPv4 shadows of IPv6 listeners, by EXPER_SOCK_INFO */
};

/*
 * Take one table; unknown ones are passed over.  Rows are added unfiltered,
 * since EXPER_SOCK_INFO names them by number.  0, -EPROTO or -ENOMEM.
 */
int td_mib2_take(struct td_mib2 *walk, const struct td_mib2_reply *reply,
    const void *data, size_t size);

/* Its part for EXPER_SOCK_INFO, in mib2_finish.c; unfit tables are passed over. */
void td_mib2_join(struct td_mib2 *walk, int family, const unsigned char *at,
    size_t size);

/*
 * After the last table: each socket once, and of these what the query wants.
 * -ENOMEM when the kernel had no memory for its tables.
 */
int td_mib2_finish(struct td_mib2 *walk, const struct td_query *query);

/* Can a row in this state be aborted?  Not a listener, not a closed one. */
int td_mib2_is_connection(const struct td_row *row);

#endif
