/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mib2.h - the bytes of a MIB2 conversation with illumos or Solaris: build the
 * request, take replies and tables apart.  Pure: no system calls, no system
 * headers beyond C's own, and no memory but the rows', so that it compiles and
 * is fuzzed anywhere.  sunos_abi.c asserts these numbers against the real
 * headers.
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

/*
 * In (262,0): how many connections are in ESTABLISHED or CLOSE_WAIT, counted
 * where the rows are made, and how large one entry of either table is.
 */
enum {
	TD_TCP_ESTABLISHED = 32,
	TD_TCP_ENTRY4 = 48,
	TD_TCP_ENTRY6 = 208,
	TD_TCP_SIZE = 212
};

/* An entry's first bytes, the same in all versions. */
enum {
	TD_ENTRY4_STATE = 0,
	TD_ENTRY4_LADDR = 4,
	TD_ENTRY4_LPORT = 8,
	TD_ENTRY4_RADDR = 12,
	TD_ENTRY4_RPORT = 16,
	TD_ENTRY4_PREFIX = 20,
	TD_ENTRY6_LADDR = 0,
	TD_ENTRY6_LPORT = 16,
	TD_ENTRY6_RADDR = 20,
	TD_ENTRY6_RPORT = 36,
	TD_ENTRY6_IFINDEX = 40,
	TD_ENTRY6_STATE = 44,
	TD_ENTRY6_PREFIX = 48
};

/*
 * Where the rest is, by an entry's size; 0: this layout has it not.
 * X(size, counters, snxt, suna, rnxt, rack, state, pid, created): the counters
 * are eleven of 64 bits, the state is the kernel's inner number.
 */
#define TD_MIB2_LAYOUTS4(X) \
	X(56, 0, 20, 24, 32, 36, 52, 0, 0)  /* asked with len 0, old */ \
	X(68, 0, 20, 24, 32, 36, 52, 56, 60)  /* x86 2006 to 2019 */ \
	X(72, 0, 20, 24, 32, 36, 52, 56, 64)  /* SPARC of those years */ \
	X(160, 20, 108, 112, 124, 128, 156, 0, 0)  /* len 0, x86 */ \
	X(168, 24, 112, 116, 128, 132, 160, 0, 0)  /* len 0, SPARC */ \
	X(172, 20, 108, 112, 124, 128, 156, 160, 164)  /* x86 since 2019 */ \
	X(184, 24, 112, 116, 128, 132, 160, 168, 176)  /* SPARC since 2019 */

#define TD_MIB2_LAYOUTS6(X) \
	X(84, 0, 48, 52, 60, 64, 80, 0, 0) \
	X(96, 0, 48, 52, 60, 64, 80, 84, 88) \
	X(188, 48, 136, 140, 152, 156, 184, 0, 0) \
	X(192, 48, 136, 140, 152, 156, 184, 0, 0) \
	X(200, 48, 136, 140, 152, 156, 184, 188, 192) \
	X(208, 48, 136, 140, 152, 156, 184, 192, 200)

/*
 * All names of a state: X(MIB2's, its number, the kernel's inner one, its
 * number, ours).  Closed is also the kernel's IDLE (-5) and BOUND (-4).
 */
#define TD_MIB2_STATES(X) \
	X(closed, 1, CLOSED, -6, CLOSED) \
	X(listen, 2, LISTEN, -3, LISTEN) \
	X(synSent, 3, SYN_SENT, -2, SYN_SENT) \
	X(synReceived, 4, SYN_RCVD, -1, SYN_RECV) \
	X(established, 5, ESTABLISHED, 0, ESTABLISHED) \
	X(finWait1, 6, FIN_WAIT_1, 2, FIN_WAIT1) \
	X(finWait2, 7, FIN_WAIT_2, 5, FIN_WAIT2) \
	X(closeWait, 8, CLOSE_WAIT, 1, CLOSE_WAIT) \
	X(lastAck, 9, LAST_ACK, 4, LAST_ACK) \
	X(closing, 10, CLOSING, 3, CLOSING) \
	X(timeWait, 11, TIME_WAIT, 6, TIME_WAIT)

/* Those that TD_TCP_ESTABLISHED counts. */
enum { TD_MIB2_ESTABLISHED = 5, TD_MIB2_CLOSE_WAIT = 8 };

/* One entry of EXPER_SOCK_INFO. */
enum {
	TD_SOCK_INFO_SIZE = 32,
	TD_SOCK_INFO_INODE = 8,
	TD_SOCK_INFO_FLAGS = 16,
	TD_SOCK_INFO_STREAM = 1, /* not a socket but a TLI endpoint */
	TD_SOCK_INFO_IPV6 = 2	 /* this IPv4 row is an IPv6 socket's shadow */
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
	uint32_t established; /* how many the kernel counted, making the rows */
	uint32_t found;	      /* how many of these came */
	uint32_t entry4; /* its entry sizes */
	uint32_t entry6;
	size_t first4, count4; /* where the tables' rows stand in rows */
	size_t first6, count6;
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
 * -ENOMEM when the kernel had no memory for its tables, or for some rows.
 */
int td_mib2_finish(struct td_mib2 *walk, const struct td_query *query);

#endif
