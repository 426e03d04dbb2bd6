/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet_diag.c - requests into bytes, bytes into rows.
 *
 * Layouts: include/uapi/linux/{sock_diag,inet_diag,tcp}.h.
 */
#include "inet_diag.h"

#include <errno.h>
#include <string.h>

enum { DIAG_MESSAGE = 72 };
enum { FAMILY_INET = 2, FAMILY_INET6 = 10, PROTOCOL_TCP = 6 };

/* Offsets in inet_diag_msg, and in the inet_diag_sockid inside it. */
enum { MSG_SOCKID = 4, MSG_RQUEUE = 56, MSG_WQUEUE = 60, MSG_UID = 64,
	MSG_INODE = 68 };
enum { ID_SPORT = 0, ID_DPORT = 2, ID_SRC = 4, ID_DST = 20, ID_IF = 36,
	ID_COOKIE = 40, ID_SIZE = 48 };

enum { ATTR_INFO = 2, ATTR_CONG = 4, ATTR_V6ONLY = 11, ATTR_MARK = 15,
	ATTR_ULP_INFO = 19, ATTR_CGROUP_ID = 21, ATTR_SOCKOPT = 22, ULP_MPTCP = 3 };
enum { REQ_BYTECODE = 1 };

/* Offsets in tcp_info, which only ever grows. */
enum { INFO_STATE = 0, INFO_LAST_SENT = 44, INFO_LAST_RECEIVED = 52,
	INFO_RTT = 68, INFO_RETRANS = 100, INFO_BYTES_ACKED = 120,
	INFO_BYTES_RECEIVED = 128, INFO_UNSENT = 144, INFO_BYTES_SENT = 200,
	INFO_BYTES_RETRANS = 208 };

/* The ops of inet_diag bytecode that a port range needs. */
enum { OP_JMP = 1, OP_S_GE = 2, OP_S_LE = 3, OP_D_GE = 4, OP_D_LE = 5 };

static uint16_t
get_port(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- requests ---------------------------------------------------------- */

struct td_range
td_range_part(int k, int n)
{
	/* Linux's default ip_local_port_range; another one only balances worse. */
	const uint32_t first = 32768, span = 61000 - 32768;
	struct td_range range = {0, UINT16_MAX};

	if (k > 0)
		range.lo = (uint16_t)(first + span * (uint32_t)k / (uint32_t)n);
	if (k < n - 1)
		range.hi = (uint16_t)(first +
		    span * (uint32_t)(k + 1) / (uint32_t)n - 1);
	return range;
}

static size_t
range_program_size(struct td_range range)
{
	return (range.hi < UINT16_MAX ? 16u : 0u) + (range.lo > 0 ? 20u : 0u);
}

size_t
td_dump_size(const struct td_query *query, struct td_range range)
{
	size_t program = query->program_size + range_program_size(range);

	if (program == 0)
		return TD_DUMP_HEADER;
	if (query->program_size % 4 != 0 || program > UINT16_MAX - TD_ATTRIBUTE_HEADER - 4)
		return 0;
	return TD_DUMP_HEADER + TD_ATTRIBUTE_HEADER + program;
}

/* One op that compares a port: `yes` goes to the next op, `no` where told. */
static unsigned char *
put_port_op(unsigned char *p, uint8_t op, uint16_t port, size_t no)
{
	p[0] = op;
	p[1] = 8;
	td_put16(p + 2, (uint16_t)no);
	p[4] = p[5] = 0;
	td_put16(p + 6, port);
	return p + 8;
}

/*
 * larger port <= hi and larger port >= lo, as ops in front of the query's own.
 * The kernel's checker only takes jumps to an op that following `yes` reaches,
 * so the "or" of the second half is a test that steps over a JMP.
 */
static void
put_range_program(unsigned char *p, struct td_range range, size_t total)
{
	size_t reject = total + 4; /* four bytes behind the end: no */
	unsigned char *start = p;

	if (range.hi < UINT16_MAX) {
		p = put_port_op(p, OP_S_LE, range.hi, reject);
		p = put_port_op(p, OP_D_LE, range.hi, reject - 8);
	}
	if (range.lo > 0) {
		p = put_port_op(p, OP_S_GE, range.lo, 12); /* no: over the JMP */
		p[0] = OP_JMP;
		p[1] = 4;
		td_put16(p + 2, 12); /* over the next test: accepted so far */
		p += 4;
		(void)put_port_op(p, OP_D_GE, range.lo,
		    reject - (size_t)(p - start));
	}
}

void
td_put_dump(void *buf, uint32_t seq, const struct td_query *query,
    struct td_range range)
{
	unsigned char *p = buf, *id = p + TD_NLMSG_HEADER + 4;
	size_t size = td_dump_size(query, range);
	size_t mine = range_program_size(range);
	size_t program = mine + query->program_size;

	memset(p, 0, TD_DUMP_HEADER);
	td_put_header(p, size, TD_TCPDIAG_GETSOCK,
	    TD_NLM_F_REQUEST | TD_NLM_F_DUMP, seq);
	p[TD_NLMSG_HEADER] = FAMILY_INET; /* ignored: both families answer */
	if (query->details != 0)
		p[TD_NLMSG_HEADER + 3] = 1 << (ATTR_INFO - 1) | 1 << (ATTR_CONG - 1);
	td_put_port(id + ID_SPORT, query->sport);
	td_put_port(id + ID_DPORT, query->dport);
	td_put32(id + ID_SIZE, query->states);
	if (program == 0)
		return;
	p += TD_DUMP_HEADER;
	td_put16(p, (uint16_t)(TD_ATTRIBUTE_HEADER + program));
	td_put16(p + 2, REQ_BYTECODE);
	put_range_program(p + TD_ATTRIBUTE_HEADER, range, program);
	if (query->program_size != 0)
		memcpy(p + TD_ATTRIBUTE_HEADER + mine, query->program,
		    query->program_size);
}

static void
put_exact(unsigned char *p, uint16_t type, uint16_t flags, uint32_t seq,
    uint8_t family)
{
	memset(p, 0, TD_EXACT_SIZE);
	td_put_header(p, TD_EXACT_SIZE, type, flags, seq);
	p[TD_NLMSG_HEADER] = family == 4 ? FAMILY_INET : FAMILY_INET6;
	p[TD_NLMSG_HEADER + 1] = PROTOCOL_TCP;
	td_put32(p + TD_NLMSG_HEADER + 4, TD_ALL_STATES);
}

void
td_put_lookup(void *buf, uint32_t seq, const struct td_tuple *t)
{
	unsigned char *p = buf, *id = p + TD_NLMSG_HEADER + 8;
	/* Asking for the plain IPv4 tuple finds mapped sockets as well. */
	int mapped = t->family == 6 && td_is_mapped(t->laddr);
	uint8_t family = mapped ? 4 : t->family;

	put_exact(p, TD_SOCK_DIAG_BY_FAMILY, TD_NLM_F_REQUEST, seq, family);
	p[TD_NLMSG_HEADER + 2] = 1 << (ATTR_INFO - 1); /* tells MPTCP too */
	td_put_port(id + ID_SPORT, t->lport);
	td_put_port(id + ID_DPORT, t->rport);
	memcpy(id + ID_SRC, t->laddr + (mapped ? 12 : 0), family == 4 ? 4 : 16);
	memcpy(id + ID_DST, t->raddr + (mapped ? 12 : 0), family == 4 ? 4 : 16);
	td_put32(id + ID_IF, t->ifindex);
	memset(id + ID_COOKIE, 0xff, 8);
}

void
td_put_destroy(void *buf, uint32_t seq, const struct td_row *row, int ack)
{
	unsigned char *p = buf, *id = p + TD_NLMSG_HEADER + 8;
	uint16_t flags = ack ? TD_NLM_F_REQUEST | TD_NLM_F_ACK : TD_NLM_F_REQUEST;

	put_exact(p, TD_SOCK_DESTROY, flags, seq, row->family);
	td_put_port(id + ID_SPORT, row->lport);
	td_put_port(id + ID_DPORT, row->rport);
	memcpy(id + ID_SRC, row->laddr, 16);
	memcpy(id + ID_DST, row->raddr, 16);
	td_put32(id + ID_IF, row->ifindex);
	/* Two 32-bit halves, the low one first, in either byte order. */
	td_put32(id + ID_COOKIE, (uint32_t)row->cookie);
	td_put32(id + ID_COOKIE + 4, (uint32_t)(row->cookie >> 32));
}

/* ---- replies ----------------------------------------------------------- */

/*
 * Did this end open the connection?  Its SYN counts among what was acknowledged
 * then, as a FIN does, and the SYN that answers one never does: tcp_ack().  It is
 * not told while data is under way, where sending failed in this host, nor where
 * a FIN may be acknowledged since the state was read: tcp_get_info() reads that
 * first, and the counters under the socket's lock.  What no look shows: bytes
 * counted as sent again that the kernel then had no memory to send.
 */
static int
has_opened(const unsigned char *p)
{
	uint64_t data = td_get64(p + INFO_BYTES_SENT) -
	    td_get64(p + INFO_BYTES_RETRANS);
	uint64_t acked = td_get64(p + INFO_BYTES_ACKED);

	switch (p[INFO_STATE]) {
	case TD_STATE_ESTABLISHED:
	case TD_STATE_CLOSE_WAIT:
		return acked == data + 1;
	case TD_STATE_FIN_WAIT2:
		return acked == data + 2;
	default:
		return 0;
	}
}

/*
 * Are the times this connection's?  Where it is still being opened, and in a
 * listener, nobody has written them since the socket was made, or since it was
 * another connection.
 */
static int
has_times(const unsigned char *p)
{
	const uint32_t opened = 1u << TD_STATE_ESTABLISHED | 1u << TD_STATE_FIN_WAIT1 |
	    1u << TD_STATE_FIN_WAIT2 | 1u << TD_STATE_CLOSE_WAIT |
	    1u << TD_STATE_LAST_ACK | 1u << TD_STATE_CLOSING;

	return p[INFO_STATE] < 32 && (opened >> p[INFO_STATE] & 1) != 0;
}

static void
get_tcp_info(const unsigned char *p, size_t size, struct td_info *info)
{
	if (size >= INFO_RETRANS + 4) {
		info->last_sent = td_get32(p + INFO_LAST_SENT);
		info->last_received = td_get32(p + INFO_LAST_RECEIVED);
		info->rtt = td_get32(p + INFO_RTT);
		info->retrans = td_get32(p + INFO_RETRANS);
		info->known |= TD_INFO_RETRANS;
		if (has_times(p))
			info->known |= TD_INFO_TIMES;
		if (info->rtt != 0) /* else none was measured */
			info->known |= TD_INFO_RTT;
	}
	if (size >= INFO_BYTES_SENT + 8) {
		info->bytes_received = td_get64(p + INFO_BYTES_RECEIVED);
		info->bytes_sent = td_get64(p + INFO_BYTES_SENT);
		info->known |= TD_INFO_BYTES;
	}
	if (size >= INFO_BYTES_RETRANS + 8 && has_opened(p))
		info->known |= TD_INFO_OPENED;
}

/* Is there an MPTCP part among the nested attributes? */
static int
is_mptcp(const struct td_attribute *nested)
{
	const unsigned char *at = nested->data;
	size_t left = nested->size;
	struct td_attribute a;

	while (td_next_attribute(&at, &left, &a) == 1)
		if (a.type == ULP_MPTCP)
			return 1;
	return 0;
}

/* As the kernel has it: where a bit stands is the compiler's choice, there and here. */
struct socket_options {
	uint8_t recverr : 1, is_icsk : 1, freebind : 1, hdrincl : 1, mc_loop : 1,
	    transparent : 1, mc_all : 1, nodefrag : 1;
};

static void
get_options(const struct td_attribute *a, struct td_row *row)
{
	struct socket_options options;

	if (a->size < sizeof(options))
		return;
	memcpy(&options, a->data, sizeof(options));
	row->flags |= TD_ROW_OPTIONS;
	if (options.transparent)
		row->flags |= TD_ROW_TRANSPARENT;
}

static void
get_attribute(const struct td_attribute *a, struct td_row *row,
    struct td_info *info)
{
	switch (a->type) {
	case ATTR_MARK:
		if (a->size < 4)
			break;
		row->mark = td_get32(a->data);
		row->flags |= TD_ROW_MARK;
		break;
	case ATTR_CGROUP_ID:
		if (a->size < 8)
			break;
		row->cgroup = td_get64(a->data);
		row->flags |= TD_ROW_CGROUP;
		break;
	case ATTR_SOCKOPT:
		get_options(a, row);
		break;
	case ATTR_V6ONLY:
		if (a->size >= 1 && *(const unsigned char *)a->data == 0)
			row->flags |= TD_ROW_DUAL;
		break;
	case ATTR_ULP_INFO:
		if (is_mptcp(a))
			row->flags |= TD_ROW_MPTCP;
		break;
	case ATTR_INFO:
		if (info != NULL)
			get_tcp_info(a->data, a->size, info);
		break;
	case ATTR_CONG:
		if (info == NULL || a->size == 0)
			break;
		memcpy(info->cc, a->data, a->size < 16 ? a->size : 15);
		info->known |= TD_INFO_CC;
		break;
	default:
		break;
	}
}

int
td_get_row(const struct td_message *m, struct td_row *row, struct td_info *info)
{
	const unsigned char *p = m->payload, *id = p + MSG_SOCKID;
	struct td_attribute a;
	size_t left;
	int error;

	if (m->size < DIAG_MESSAGE || (p[0] != FAMILY_INET && p[0] != FAMILY_INET6))
		return -EBADMSG;
	row->family = p[0] == FAMILY_INET ? 4 : 6;
	row->state = p[1];
	row->timer = p[2];
	row->backoff = p[3];
	row->lport = get_port(id + ID_SPORT);
	row->rport = get_port(id + ID_DPORT);
	/* Old kernels leave rubbish behind the 4 bytes of an IPv4 address. */
	memcpy(row->laddr, id + ID_SRC, row->family == 4 ? 4 : 16);
	memcpy(row->raddr, id + ID_DST, row->family == 4 ? 4 : 16);
	row->ifindex = td_get32(id + ID_IF);
	row->cookie = (uint64_t)td_get32(id + ID_COOKIE + 4) << 32 |
	    td_get32(id + ID_COOKIE);
	row->recvq = td_get32(p + MSG_RQUEUE);
	row->sendq = td_get32(p + MSG_WQUEUE);
	row->uid = td_get32(p + MSG_UID);
	row->inode = td_get32(p + MSG_INODE);
	row->flags = TD_ROW_QUEUES | (row->inode != 0 ? TD_ROW_UID : 0);

	p += DIAG_MESSAGE;
	left = m->size - DIAG_MESSAGE;
	while ((error = td_next_attribute(&p, &left, &a)) == 1)
		get_attribute(&a, row, info);
	return error;
}

/* Not read at one moment: the queue first, then the state, then the rest under the socket's lock. */
int
td_get_counters(const struct td_message *m, struct td_counters *c)
{
	const unsigned char *p = m->payload, *info;
	struct td_attribute a;
	size_t left;
	int error;

	memset(c, 0, sizeof(*c));
	if (m->size < DIAG_MESSAGE)
		return -EBADMSG;
	c->queued = td_get32(p + MSG_WQUEUE);
	p += DIAG_MESSAGE;
	left = m->size - DIAG_MESSAGE;
	while ((error = td_next_attribute(&p, &left, &a)) == 1) {
		if (a.type != ATTR_INFO || a.size < INFO_BYTES_RETRANS + 8)
			continue;
		info = a.data;
		c->state = info[INFO_STATE];
		c->unsent = td_get32(info + INFO_UNSENT);
		c->acked = td_get64(info + INFO_BYTES_ACKED);
		c->sent = td_get64(info + INFO_BYTES_SENT);
		c->retrans = td_get64(info + INFO_BYTES_RETRANS);
	}
	return error;
}

int
td_opened_by_both(const struct td_counters *one, const struct td_counters *then)
{
	uint64_t under_way = (uint64_t)then->queued - then->unsent;

	return memcmp(one, then, sizeof(*one)) == 0 &&
	    (then->state == TD_STATE_ESTABLISHED ||
		then->state == TD_STATE_CLOSE_WAIT) &&
	    then->acked + under_way == then->sent - then->retrans + 1;
}
