/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_inet_diag.c - requests byte for byte, and replies that lie.
 */
#include "inet_diag.h"

#include <errno.h>
#include <string.h>

#include "check.h"

enum { HEADER = 16, MESSAGE = 72 };

static void
put(unsigned char *p, size_t at, const void *value, size_t size)
{
	memcpy(p + at, value, size);
}

static void
put16(unsigned char *p, size_t at, unsigned value)
{
	uint16_t v = (uint16_t)value;

	put(p, at, &v, 2);
}

static void
put32(unsigned char *p, size_t at, uint32_t value)
{
	put(p, at, &value, 4);
}

/* ---- requests ---------------------------------------------------------- */

static const struct td_range all_ports = {0, UINT16_MAX};

static void
test_dump_request(void)
{
	struct td_query query = {.states = 0xbfe, .sport = 0x1234, .dport = 443};
	unsigned char got[TD_DUMP_HEADER + 64], want[TD_DUMP_HEADER + 64];
	static const unsigned char program[8] = {2, 8, 12, 0, 0, 0, 80, 0};

	memset(got, 0xaa, sizeof(got));
	memset(want, 0, sizeof(want));
	CHECK(td_dump_size(&query, all_ports) == 76);
	td_put_dump(got, 0x01020304, &query, all_ports);
	put32(want, 0, 76);
	put16(want, 4, 18);    /* TCPDIAG_GETSOCK */
	put16(want, 6, 0x301); /* REQUEST | DUMP */
	put32(want, 8, 0x01020304);
	want[16] = 2;
	put(want, 20, "\x12\x34\x01\xbb", 4); /* ports in network order */
	put32(want, 68, 0xbfe);
	CHECK(memcmp(got, want, 76) == 0);
	CHECK(got[76] == 0xaa); /* and not a byte more */

	query.details = TD_DETAIL_INFO;
	query.program = program;
	query.program_size = sizeof(program);
	CHECK(td_dump_size(&query, all_ports) == 88);
	td_put_dump(got, 0x01020304, &query, all_ports);
	put32(want, 0, 88);
	want[19] = 0x0a; /* INFO and CONG */
	put16(want, 76, 12);
	put16(want, 78, 1);
	put(want, 80, program, 8);
	CHECK(memcmp(got, want, 88) == 0);
	CHECK(got[88] == 0xaa);
}

static void
test_dump_limits(void)
{
	static unsigned char request[TD_DUMP_HEADER + UINT16_MAX + 16];
	static const unsigned char program[UINT16_MAX];
	struct td_query query = {.states = 2, .program = program};
	struct td_range part = td_range_part(1, 3);
	size_t size, own;

	for (size = 1; size < 12; size++) {
		query.program_size = size;
		CHECK((td_dump_size(&query, all_ports) != 0) == (size % 4 == 0));
	}
	query.program_size = 65524; /* the jumps beyond the end still fit 16 bits */
	CHECK(td_dump_size(&query, all_ports) == 76 + 4 + 65524);
	query.program_size = 65528;
	CHECK(td_dump_size(&query, all_ports) == 0);
	query.program_size = SIZE_MAX - 3;
	CHECK(td_dump_size(&query, all_ports) == 0);
	query.program_size = 0;
	own = td_dump_size(&query, part) - 76 - 4;
	CHECK(own > 0 && own + 4 <= TD_RANGE_PROGRAM);
	query.program_size = 65524 - own;
	CHECK(td_dump_size(&query, part) == 76 + 4 + 65524);
	td_put_dump(request, 1, &query, part);
	query.program_size += 4;
	CHECK(td_dump_size(&query, part) == 0);
}

static void
test_lookup_request(void)
{
	struct td_tuple t = {.family = 6, .lport = 80, .rport = 0xfffe,
	    .ifindex = 7, .cookie = 0x1122334455667788};
	unsigned char got[TD_EXACT_SIZE + 1], want[TD_EXACT_SIZE];
	int i;

	for (i = 0; i < 16; i++) {
		t.laddr[i] = (uint8_t)(0x20 + i);
		t.raddr[i] = (uint8_t)(0x40 + i);
	}
	memset(got, 0xaa, sizeof(got));
	memset(want, 0, sizeof(want));
	put32(want, 0, 72);
	put16(want, 4, 20); /* SOCK_DIAG_BY_FAMILY */
	put16(want, 6, 1);  /* REQUEST, and no dump */
	put32(want, 8, 9);
	want[16] = 10;
	want[17] = 6;
	want[18] = 2; /* with tcp_info, behind which MPTCP is told */
	put32(want, 20, 0xffe);
	put(want, 24, "\0\x50\xff\xfe", 4);
	put(want, 28, t.laddr, 16);
	put(want, 44, t.raddr, 16);
	put32(want, 60, 7);
	memset(want + 64, 0xff, 8); /* a look-up asks for any cookie */
	td_put_lookup(got, 9, &t);
	CHECK(memcmp(got, want, 72) == 0 && got[72] == 0xaa);

	/* A mapped tuple is asked for as IPv4, which finds either kind. */
	memset(t.laddr, 0, 10);
	memset(t.laddr + 10, 0xff, 2);
	memcpy(t.raddr, t.laddr, 12);
	want[16] = 2;
	memset(want + 28, 0, 32);
	put(want, 28, t.laddr + 12, 4);
	put(want, 44, t.raddr + 12, 4);
	td_put_lookup(got, 9, &t);
	CHECK(memcmp(got, want, 72) == 0);

	/* And so is a plain one: not a byte of what is behind the 4. */
	t.family = 4;
	memset(want + 28, 0, 32);
	put(want, 28, t.laddr, 4);
	put(want, 44, t.raddr, 4);
	td_put_lookup(got, 9, &t);
	CHECK(memcmp(got, want, 72) == 0);
}

static void
test_destroy_request(void)
{
	struct td_row row = {.family = 4, .laddr = {192, 0, 2, 1},
	    .raddr = {192, 0, 2, 2}, .lport = 1, .rport = 2, .ifindex = 3,
	    .cookie = 0x1122334455667788};
	unsigned char got[TD_EXACT_SIZE + 1], want[TD_EXACT_SIZE];

	memset(got, 0xaa, sizeof(got));
	memset(want, 0, sizeof(want));
	put32(want, 0, 72);
	put16(want, 4, 21); /* SOCK_DESTROY */
	put16(want, 6, 5);  /* REQUEST | ACK */
	put32(want, 8, 77);
	want[16] = 2;
	want[17] = 6;
	put32(want, 20, 0xffe);
	put(want, 24, "\0\1\0\2", 4);
	put(want, 28, row.laddr, 4);
	put(want, 44, row.raddr, 4);
	put32(want, 60, 3);
	put32(want, 64, 0x55667788); /* the low half first */
	put32(want, 68, 0x11223344);
	td_put_destroy(got, 77, &row, 1);
	CHECK(memcmp(got, want, 72) == 0 && got[72] == 0xaa);
	put16(want, 6, 1);
	td_put_destroy(got, 77, &row, 0);
	CHECK(memcmp(got, want, 72) == 0);
	row.family = 6;
	want[16] = 10;
	td_put_destroy(got, 77, &row, 0);
	CHECK(memcmp(got, want, 72) == 0);
}

/* ---- replies ------------------------------------------------------------- */

static size_t
attribute(unsigned char *p, unsigned type, const void *value, size_t size)
{
	put16(p, 0, (unsigned)(4 + size));
	put16(p, 2, type);
	memcpy(p + 4, value, size);
	return (4 + size + 3) & ~(size_t)3;
}

/* A reply of an IPv6 socket with some attributes; the size. */
static size_t
reply(unsigned char *p)
{
	unsigned char info[280] = {0}, nested[8] = {4, 0, 3, 0, 0, 0, 0, 0};
	unsigned char transparent[2] = {0, 0};
	uint64_t v = 0x0102030405060708;
	size_t size = HEADER + MESSAGE;

	memset(p, 0, HEADER + MESSAGE);
	put16(p, 4, TD_TCPDIAG_GETSOCK);
	put32(p, 8, 5);
	p[16] = 10;
	p[17] = TD_STATE_CLOSE_WAIT;
	p[18] = 1;
	p[19] = 6;
	put(p, 20, "\x12\x34\0\x50", 4);
	memset(p + 24, 0x21, 16);
	memset(p + 40, 0x43, 16);
	put32(p, 56, 3);
	put32(p, 60, 0x55667788);
	put32(p, 64, 0x11223344);
	put32(p, 72, 10);
	put32(p, 76, 11);
	put32(p, 80, 1000);
	put32(p, 84, 4242);
	put32(info, 44, 1);
	put32(info, 52, 2);
	put32(info, 68, 3);
	put32(info, 100, 4);
	put(info, 128, &v, 8);
	v++;
	put(info, 200, &v, 8);
	v++;
	put(info, 120, &v, 8); /* one more than it sent is acknowledged: its SYN */
	info[0] = TD_STATE_CLOSE_WAIT;
	size += attribute(p + size, 8, "\1", 1);
	size += attribute(p + size, 11, "\0", 1);
	/* The sixth bit, from the end where the machine counts them. */
	transparent[0] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0x20 : 0x04;
	size += attribute(p + size, 15, "\7\7\7\7", 4);
	size += attribute(p + size, 22, transparent, 2);
	put16(nested, 0, 4);
	put16(nested, 2, 3);
	size += attribute(p + size, 19 | 0x8000, nested, 8);
	size += attribute(p + size, 21, &v, 8);
	size += attribute(p + size, 2, info, sizeof(info));
	size += attribute(p + size, 4, "cubic", 6);
	put32(p, 0, (uint32_t)size);
	return size;
}

static int
parse(const unsigned char *p, size_t size, struct td_row *row, struct td_info *info)
{
	struct td_message m;
	int error = td_next_message(&p, &size, &m);

	memset(row, 0, sizeof(*row));
	if (info != NULL)
		memset(info, 0, sizeof(*info));
	return error == 1 ? td_get_row(&m, row, info) : error;
}

static void
test_reply(size_t shift)
{
	unsigned char buffer[1024], *p = buffer + shift; /* nothing is aligned */
	struct td_row row, again;
	struct td_info info;
	size_t size = reply(p);

	CHECK(parse(p, size, &row, &info) == 0);
	CHECK(row.family == 6 && row.state == 8 && row.timer == 1 && row.backoff == 6);
	CHECK(row.lport == 0x1234 && row.rport == 80 && row.ifindex == 3);
	CHECK(row.laddr[0] == 0x21 && row.laddr[15] == 0x21 && row.raddr[15] == 0x43);
	CHECK(row.cookie == 0x1122334455667788 && row.inode == 4242 && row.uid == 1000);
	CHECK(row.recvq == 10 && row.sendq == 11 && row.cgroup == 0x010203040506070a);
	CHECK(row.flags == (TD_ROW_UID | TD_ROW_QUEUES | TD_ROW_MPTCP |
	    TD_ROW_CGROUP | TD_ROW_MARK | TD_ROW_OPTIONS | TD_ROW_TRANSPARENT |
	    TD_ROW_DUAL));
	CHECK(row.mark == 0x07070707);
	CHECK(info.last_sent == 1 && info.last_received == 2 && info.rtt == 3 &&
	    info.retrans == 4 && info.bytes_received == 0x0102030405060708 &&
	    info.bytes_sent == 0x0102030405060709);
	CHECK(strcmp((char *)info.cc, "cubic") == 0 && info.known == 63);
	CHECK(parse(p, size, &again, NULL) == 0 && memcmp(&row, &again, sizeof(row)) == 0);

	/* Old kernels leave rubbish behind an IPv4 address. */
	p[16] = 2;
	CHECK(parse(p, size, &row, NULL) == 0 && row.family == 4);
	CHECK(row.laddr[3] == 0x21 && row.laddr[4] == 0 && row.raddr[15] == 0);
	put32(p, 84, 0); /* nobody's socket has no uid */
	CHECK(parse(p, size, &row, NULL) == 0 && (row.flags & TD_ROW_UID) == 0);
	p[16] = 1;
	CHECK(parse(p, size, &row, NULL) == -EBADMSG);
}

/* acknowledged, sent, of that again, and did it send a FIN that was answered? */
static int
says_opened(uint64_t acked, uint64_t sent, uint64_t again, unsigned char state)
{
	unsigned char buffer[1024] = {0}, tcp[280] = {0};
	size_t size = HEADER + MESSAGE;
	struct td_row row;
	struct td_info info;

	put16(buffer, 4, TD_TCPDIAG_GETSOCK);
	buffer[16] = 2;
	tcp[0] = state;
	put(tcp, 120, &acked, 8);
	put(tcp, 200, &sent, 8);
	put(tcp, 208, &again, 8);
	size += attribute(buffer + size, 2, tcp, sizeof(tcp));
	put32(buffer, 0, (uint32_t)size);
	CHECK(parse(buffer, size, &row, &info) == 0);
	return (info.known & TD_INFO_OPENED) != 0;
}

static void
test_who_opened(void)
{
	static const unsigned char sending[] = {TD_STATE_ESTABLISHED, TD_STATE_CLOSE_WAIT};
	static const unsigned char ending[] = {TD_STATE_FIN_WAIT1, TD_STATE_CLOSING, TD_STATE_LAST_ACK};
	size_t i;

	for (i = 0; i < sizeof(sending); i++) {
		CHECK(says_opened(1, 0, 0, sending[i]) && !says_opened(0, 0, 0, sending[i]));
		CHECK(says_opened(8, 9, 2, sending[i]) && !says_opened(7, 9, 2, sending[i]));
		CHECK(!says_opened(5, 9, 0, sending[i])); /* data is under way */
	}
	CHECK(says_opened(9, 7, 0, TD_STATE_FIN_WAIT2) && !says_opened(8, 7, 0, TD_STATE_FIN_WAIT2));
	/* The FIN may be acknowledged since the state was read. */
	for (i = 0; i < sizeof(ending); i++)
		CHECK(!says_opened(6, 5, 0, ending[i]) && !says_opened(7, 5, 0, ending[i]));
}

/* The reply to a look-up in which so much is queued; the kernel tells this much of tcp_info. */
static size_t
reply_with(unsigned char *buffer, const struct td_counters *c, size_t told)
{
	unsigned char tcp[280] = {0};
	size_t size = HEADER + MESSAGE;

	put16(buffer, 4, TD_SOCK_DIAG_BY_FAMILY);
	buffer[16] = 2;
	put32(buffer, HEADER + 60, c->queued);
	tcp[0] = c->state;
	put(tcp, 120, &c->acked, 8);
	put32(tcp, 144, c->unsent);
	put(tcp, 200, &c->sent, 8);
	put(tcp, 208, &c->retrans, 8);
	size += attribute(buffer + size, 8, "x", 1);
	size += attribute(buffer + size, 2, tcp, told);
	put32(buffer, 0, (uint32_t)size);
	return size;
}

static int
counters(unsigned char *buffer, size_t size, struct td_counters *c)
{
	const unsigned char *at = buffer;
	struct td_message m;

	CHECK(td_next_message(&at, &size, &m) == 1);
	return td_get_counters(&m, c);
}

static void
test_counters(void)
{
	static const struct td_counters told = {.sent = 1000, .retrans = 100, .acked = 201,
	    .queued = 900, .unsent = 200, .state = TD_STATE_ESTABLISHED};
	static const struct td_counters nothing = {.queued = 900};
	unsigned char buffer[1024] = {0};
	struct td_counters got;
	size_t size = reply_with(buffer, &told, 280);

	CHECK(counters(buffer, size, &got) == 0 && memcmp(&got, &told, sizeof(got)) == 0);
	put32(buffer, 0, HEADER + MESSAGE - 1);
	CHECK(counters(buffer, size, &got) == -EBADMSG);
	/* A kernel that tells less, before 4.19. */
	size = reply_with(buffer, &told, 215);
	CHECK(counters(buffer, size, &got) == 0 && memcmp(&got, &nothing, sizeof(got)) == 0);
	put16(buffer, HEADER + MESSAGE, 3); /* shorter than its own header */
	CHECK(counters(buffer, size, &got) == -EBADMSG);
}

static void
test_who_opened_with_data_under_way(void)
{
	/* 1,000 sent, 100 of them again; of 700 bytes and a SYN before them 201 acknowledged, 700 under way. */
	struct td_counters one = {.sent = 1000, .retrans = 100, .acked = 201,
	    .queued = 900, .unsent = 200, .state = TD_STATE_ESTABLISHED};
	struct td_counters then = one;

	CHECK(td_opened_by_both(&one, &then));
	one.state = then.state = TD_STATE_CLOSE_WAIT;
	CHECK(td_opened_by_both(&one, &then));
	/* A FIN may be among what is under way. */
	one.state = then.state = TD_STATE_FIN_WAIT1;
	CHECK(!td_opened_by_both(&one, &then));
	one.state = then.state = TD_STATE_ESTABLISHED;
	/* It has accepted. */
	one.acked = then.acked = 200;
	CHECK(!td_opened_by_both(&one, &then));
	/* One byte that it has accepted with was acknowledged between two readings: in one look that is like a SYN. */
	one = (struct td_counters){.sent = 1, .acked = 1, .queued = 1, .state = TD_STATE_ESTABLISHED};
	then = one;
	CHECK(td_opened_by_both(&one, &then));
	then.queued = 0; /* as the next look shows */
	CHECK(!td_opened_by_both(&one, &then) && !td_opened_by_both(&then, &then));
}

/* Every length that can be cut or lie, in memory that ends where it says. */
static void
test_lies(void)
{
	unsigned char good[1024] = {0}; /* what pads is read when a length lies */
	struct td_row row;
	struct td_info info;
	size_t size = reply(good), cut, at;

	for (cut = 0; cut < size; cut++) {
		unsigned char *p = malloc(cut + 1); /* ASan watches its end */
		int error;

		CHECK(p != NULL);
		memcpy(p, good, cut);
		error = parse(p, cut, &row, &info); /* the header promises more */
		CHECK(error == (cut == 0 ? 0 : -EBADMSG));
		if (cut >= HEADER) {
			put32(p, 0, (uint32_t)cut); /* the header is right, the rest cut */
			error = parse(p, cut, &row, &info);
			CHECK(error == 0 || error == -EBADMSG);
			CHECK(error != 0 || cut >= HEADER + MESSAGE);
		}
		free(p);
	}
	for (at = 0; at + 2 <= size; at += 2) {
		static const unsigned lies[] = {0, 1, 3, 4, 5, 15, 16, 0x7fff, 0xffff};
		unsigned char *p = malloc(size);
		size_t i;

		CHECK(p != NULL);
		for (i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
			memcpy(p, good, size);
			put16(p, at, lies[i]);
			(void)parse(p, size, &row, &info);
			(void)parse(p, size, &row, NULL);
		}
		free(p);
	}
}

static void
test_messages(void)
{
	unsigned char p[64] = {0};
	const unsigned char *at = p;
	size_t left = 40;
	struct td_message m;

	put32(p, 0, 18); /* padded to 20 */
	put16(p, 4, 3);
	put32(p, 8, 7);
	put32(p, 20, 17);
	CHECK(td_next_message(&at, &left, &m) == 1);
	CHECK(m.type == 3 && m.seq == 7 && m.size == 2 && m.payload == p + 16);
	CHECK(at == p + 20 && left == 20);
	left = 17; /* the last one is not padded */
	CHECK(td_next_message(&at, &left, &m) == 1 && m.size == 1 && left == 0);
	CHECK(at == p + 37 && td_next_message(&at, &left, &m) == 0);
	at = p;
	left = 15;
	CHECK(td_next_message(&at, &left, &m) == -EBADMSG);
	put32(p, 0, 15);
	left = 40;
	CHECK(td_next_message(&at, &left, &m) == -EBADMSG);
	put32(p, 0, 41);
	CHECK(td_next_message(&at, &left, &m) == -EBADMSG);
	put32(p, 0, UINT32_MAX);
	CHECK(td_next_message(&at, &left, &m) == -EBADMSG && at == p && left == 40);
}

static void
test_errno(void)
{
	unsigned char p[4];
	struct td_message m = {.payload = p, .size = 4};

	put32(p, 0, 0);
	CHECK(td_message_errno(&m) == 0);
	put32(p, 0, (uint32_t)-ENOENT);
	CHECK(td_message_errno(&m) == ENOENT);
	put32(p, 0, (uint32_t)-4095);
	CHECK(td_message_errno(&m) == 4095);
	put32(p, 0, (uint32_t)-4096);
	CHECK(td_message_errno(&m) == -EBADMSG);
	put32(p, 0, 1); /* no error is positive */
	CHECK(td_message_errno(&m) == -EBADMSG);
	put32(p, 0, 0x80000000u);
	CHECK(td_message_errno(&m) == -EBADMSG);
	m.size = 3;
	CHECK(td_message_errno(&m) == -EBADMSG);
}

int
main(void)
{
	size_t shift;

	test_dump_request();
	test_dump_limits();
	test_lookup_request();
	test_destroy_request();
	for (shift = 0; shift < 8; shift++)
		test_reply(shift);
	test_who_opened();
	test_counters();
	test_who_opened_with_data_under_way();
	test_lies();
	test_messages();
	test_errno();
	puts("test_inet_diag: ok");
	return 0;
}
