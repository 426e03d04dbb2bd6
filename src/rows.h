/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rows.h - the packed record of one connection, and a growing array of them.
 *
 * A row crosses into Python as it is, so its layout is written once more there
 * (td_row_format in rows.c) and asserted below.  Integers are in host order,
 * addresses as on the wire.  An IPv4 address fills the first 4 bytes, the
 * other 12 are zero; an IPv4 connection carried by an IPv6 socket is family 6
 * with v4-mapped addresses, just as the kernel says.
 */
#ifndef TD_ROWS_H
#define TD_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum {
	TD_STATE_ESTABLISHED = 1,
	TD_STATE_SYN_SENT,
	TD_STATE_SYN_RECV,
	TD_STATE_FIN_WAIT1,
	TD_STATE_FIN_WAIT2,
	TD_STATE_TIME_WAIT,
	TD_STATE_CLOSED,
	TD_STATE_CLOSE_WAIT,
	TD_STATE_LAST_ACK,
	TD_STATE_LISTEN,
	TD_STATE_CLOSING
};

/* Every state above, as a mask; there is no other bit. */
#define TD_ALL_STATES 0xffeu

/* td_row.flags: what the zeroes of a row do not say. */
#define TD_ROW_UID    1u /* uid was reported */
#define TD_ROW_QUEUES 2u /* recvq and sendq were reported */
#define TD_ROW_MPTCP  4u /* a subflow of an MPTCP connection */
#define TD_ROW_CGROUP 8u /* cgroup was reported */
#define TD_ROW_MARK   16u /* the kernel showed the mark: we have CAP_NET_ADMIN */
#define TD_ROW_OPTIONS 32u /* the kernel showed the socket's options */
#define TD_ROW_TRANSPARENT 64u /* IP_TRANSPARENT is among them */
#define TD_ROW_DUAL 128u /* listens on IPv6, and takes IPv4 as well */

struct td_row {
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint64_t cookie;  /* identity of the socket; 0: this system has none */
	uint64_t inode;   /* of the socket; 0: nobody holds it, or unknown */
	uint64_t cgroup;  /* Linux: cgroup id */
	uint64_t created; /* illumos: clock ticks since boot; 0: unknown */
	uint16_t lport;
	uint16_t rport;
	uint8_t family; /* 4 or 6 */
	uint8_t state;  /* TD_STATE_* */
	uint8_t timer;  /* Linux: 1 retransmit 2 keepalive 3 time-wait 4 probe */
	uint8_t backoff; /* retransmissions of what is unanswered now */
	uint32_t ifindex;
	uint32_t uid;
	uint32_t recvq; /* bytes */
	uint32_t sendq; /* bytes */
	uint32_t pid;   /* illumos: creator; 0: unknown */
	uint32_t flags; /* TD_ROW_* */
	uint32_t mark;  /* Linux: SO_MARK */
	uint32_t zero;
};

/* td_info.known: which of its fields the kernel filled in. */
#define TD_INFO_TIMES   1u /* last_sent, last_received */
#define TD_INFO_BYTES   2u /* bytes_sent, bytes_received */
#define TD_INFO_CC      4u /* cc */
#define TD_INFO_RETRANS 8u /* retrans */
#define TD_INFO_OPENED  16u /* no field: this end certainly opened the connection */
#define TD_INFO_RTT     32u /* rtt */

/* What is fetched only on demand; stands directly behind its row. */
struct td_info {
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint32_t last_sent;	/* ms ago */
	uint32_t last_received; /* ms ago */
	uint32_t rtt;		/* us */
	uint32_t retrans;	/* segments, in the connection's life */
	uint8_t cc[16];		/* congestion control, NUL padded */
	uint32_t known;		/* TD_INFO_* */
	uint32_t zero;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct td_row) == 104, "td_row has holes");
_Static_assert(sizeof(struct td_info) == 56, "td_info has holes");
#endif

/* The layouts for Python's struct module, and the fields' names in order. */
extern const char td_row_format[];
extern const char td_row_fields[];
extern const char td_info_format[];
extern const char td_info_fields[];

/*
 * `stride` bytes a record: sizeof(struct td_row), or that and td_info.
 * Set it, zero the rest, and free with td_rows_free().
 */
struct td_rows {
	unsigned char *data;
	size_t count;
	size_t room;
	size_t stride;
};

/* Add one zeroed record and return it; NULL when memory is out. */
struct td_row *td_rows_add(struct td_rows *rows);

/* Add a copy of a row without details.  0 or -ENOMEM. */
int td_rows_append(struct td_rows *rows, const struct td_row *row);

/* Take back the record td_rows_add() returned last. */
void td_rows_drop_last(struct td_rows *rows);

struct td_row *td_rows_at(const struct td_rows *rows, size_t i);

/* Can a socket in this state be aborted?  Not a listener, not a closed one. */
int td_row_is_connection(const struct td_row *row);

/* The details behind a row; NULL when the array carries none. */
struct td_info *td_rows_info(const struct td_rows *rows, struct td_row *row);

/* Append `from` to `to` in whatever order and empty it.  0 or -ENOMEM. */
int td_rows_join(struct td_rows *to, struct td_rows *from);

/* Keep the first row of each cookie.  0 or -ENOMEM. */
int td_rows_unique(struct td_rows *rows);

/* Give back the room that growing left over. */
void td_rows_trim(struct td_rows *rows);

void td_rows_free(struct td_rows *rows);

#endif
