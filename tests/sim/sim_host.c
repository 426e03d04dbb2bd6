/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_host.c - the simulator on this Linux host's own sockets: linked in, it
 * makes the population what sock_diag shows at each walk, and a death a real
 * SOCK_DESTROY by cookie, some milliseconds later.  So the Python package runs
 * on the SunOS backend from end to end, and the victims are real.
 *
 * On illumos nothing is sent.  Linux sends an RST, so the other end of a
 * loopback connection is made deaf for that moment, and stays.
 *
 * What differs from illumos, and cannot be helped:
 *
 * - A peer on another host, or that nobody has accepted yet, gets the RST.
 * - The victim reads ECONNABORTED, not ECONNRESET.
 * - The creation time is the kernel's socket cookie, which orders sockets as
 *   well but is no clock, and which TIME_WAIT sockets do not inherit: but for
 *   those whose local port TCPDROP_SIM_CREATED names, as PORT:TICKS,... by the
 *   clock of times(2).
 * - The creator is the first process that was seen to hold the socket.
 * - Sockets without a connection (idle, bound, dropped but open) do not show.
 * - There is one zone, with the caller's network namespace for a stack.
 *
 * TCPDROP_SIM_DELAY_MS (20) is how long a death takes, TCPDROP_SIM_ENTRIES
 * (172,200) the sizes of the entries: 68,96 is a kernel before 2019.
 * TCPDROP_SIM_CROWD is how many connections there seem to be, 10.0.0.1 port 443
 * with peers in 10.1.0.0/16 and on, in place of the host's: dying at once.
 * TCPDROP_SIM_OPEN_ERRNO is what opening a device gives.
 * TCPDROP_SIM_LOSES (ROWS,WALKS) is a kernel short of memory: it leaves out one
 * of so many rows, at random, for so many walks; -1 is for ever.
 * TCPDROP_SIM_COUNTERS names a file that says at each close of a device
 * what was asked for so far.
 */
#define _GNU_SOURCE
#include "sim.h"
#include "sim_host.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../src/inet_diag.h"

enum { FRESH_MS = 50, BUFFER = 65536, CAPABILITY_NET_ADMIN = 12 };

static struct td_rows rows; /* what the population was made of */
static long long refreshed;

long long
sim_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int
sim_open_diag(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static int
privileged(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) != 0)
		return 0;
	return (data[0].effective >> CAPABILITY_NET_ADMIN & 1) != 0;
}

/* ---- the host's sockets ------------------------------------------------- */

/* One datagram's rows: 1 when the dump is over, 0 to go on, -1 on nonsense. */
static int
take(const unsigned char *at, size_t left)
{
	struct td_message m;
	struct td_row *row;

	while (td_next_message(&at, &left, &m) == 1) {
		if (m.type != TD_TCPDIAG_GETSOCK)
			return m.type == TD_NLMSG_DONE ? 1 : -1;
		row = td_rows_add(&rows);
		if (row == NULL || td_get_row(&m, row, NULL) != 0)
			return -1;
	}
	return 0;
}

static int
dump(void)
{
	static unsigned char buf[BUFFER];
	static const struct td_range whole = {0, 65535};
	struct td_query query;
	int fd = sim_open_diag(), over = -1;

	memset(&query, 0, sizeof(query));
	query.states = TD_ALL_STATES;
	rows.stride = sizeof(struct td_row);
	rows.count = 0;
	if (fd < 0)
		return -1;
	td_put_dump(buf, 1, &query, whole);
	if (send(fd, buf, td_dump_size(&query, whole), 0) > 0)
		for (over = 0; over == 0;) {
			ssize_t n = recv(fd, buf, sizeof(buf), 0);

			over = n <= 0 ? -1 : take(buf, (size_t)n);
		}
	close(fd);
	return over == 1 ? td_rows_unique(&rows) : -1;
}

/* ---- the population ----------------------------------------------------- */

/* Inner states by TD_STATE_*. */
static const int states[] = {0, SIM_ESTABLISHED, SIM_SYN_SENT, SIM_SYN_RCVD,
    SIM_FIN_WAIT_1, SIM_FIN_WAIT_2, SIM_TIME_WAIT, SIM_IDLE, SIM_CLOSE_WAIT,
    SIM_LAST_ACK, SIM_LISTEN, SIM_CLOSING};

static uint64_t
created_of(const struct td_row *row)
{
	const char *at = getenv("TCPDROP_SIM_CREATED");
	unsigned long long ticks;
	unsigned port;

	for (; at != NULL && *at != '\0'; at = strchr(at, ','), at += at != NULL)
		if (sscanf(at, "%u:%llu", &port, &ticks) == 2 &&
		    port == row->lport)
			return ticks;
	return row->cookie & 0xffffffffff;
}

static void
add_row(size_t i)
{
	const struct td_row *row = td_rows_at(&rows, i);
	static const uint8_t any[16];
	struct sim_conn c;

	memset(&c, 0, sizeof(c));
	memcpy(c.laddr, row->laddr, 16);
	memcpy(c.raddr, row->raddr, 16);
	if (row->family == 4) {
		if (memcmp(row->laddr, any, 4) != 0) {
			memcpy(c.laddr, "\0\0\0\0\0\0\0\0\0\0\377\377", 12);
			memcpy(c.laddr + 12, row->laddr, 4);
		}
		if (memcmp(row->raddr, any, 4) != 0) {
			memcpy(c.raddr, "\0\0\0\0\0\0\0\0\0\0\377\377", 12);
			memcpy(c.raddr + 12, row->raddr, 4);
		}
	}
	c.lport = row->lport;
	c.rport = row->rport;
	c.state = states[row->state];
	c.bucket = -1;
	c.v6_socket = row->family == 6;
	c.created = created_of(row);
	c.pid = sim_creator(row).pid;
	c.ifindex = row->ifindex;
	c.inode = row->inode;
	c.recvq = row->state == TD_STATE_LISTEN ? 0 : row->recvq;
	c.sendq = row->state == TD_STATE_LISTEN ? 0 : row->sendq;
	c.host = i;
	(void)sim_add(&c);
}

/*
 * Called before each walk and each request.  A request may do with what the
 * last walk saw: `must` is set when it found nothing there.
 */
static void
refresh(int must)
{
	size_t i;

	sim.privileged = privileged();
	if (!must && refreshed != 0 && sim_now_ms() - refreshed < FRESH_MS)
		return;
	sim_forget_all();
	if (dump() != 0)
		rows.count = 0;
	sim_forget_holders();
	for (i = 0; i < rows.count; i++)
		if (td_rows_at(&rows, i)->state < sizeof(states) / sizeof(*states))
			add_row(i);
	refreshed = sim_now_ms();
}

/* The other end of a loopback connection, or NULL. */
static const struct td_row *
mirror(const struct td_row *row)
{
	struct td_tuple swapped;
	size_t i;

	memset(&swapped, 0, sizeof(swapped));
	swapped.family = row->family;
	memcpy(swapped.laddr, row->raddr, 16);
	memcpy(swapped.raddr, row->laddr, 16);
	swapped.lport = row->rport;
	swapped.rport = row->lport;
	for (i = 0; i < rows.count; i++)
		if (td_same_ends(&swapped, td_rows_at(&rows, i)))
			return td_rows_at(&rows, i);
	return NULL;
}

static void
kill_conn(struct sim_conn *conn)
{
	const struct td_row *row = td_rows_at(&rows, conn->host);

	sim_kill_later(row, mirror(row));
}

static void
gather_crowd(unsigned long n)
{
	struct sim_conn c;
	unsigned long i;

	memset(&c, 0, sizeof(c));
	memcpy(c.laddr, "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1", 16);
	memcpy(c.raddr, "\0\0\0\0\0\0\0\0\0\0\377\377\12\1\0\0", 16);
	c.lport = 443;
	c.bucket = -1;
	for (i = 0; i < n; i++) {
		c.raddr[13] = (uint8_t)(1 + (i >> 16));
		c.raddr[14] = (uint8_t)(i >> 8);
		c.raddr[15] = (uint8_t)i;
		c.rport = (uint16_t)(1024 + i % 60000);
		c.created = 1 + i;
		c.pid = 1;
		(void)sim_add(&c);
	}
	sim.drain_every = 1;
}

/* At each close, since a command may end without taking itself apart. */
static void
count(void)
{
	const char *path = getenv("TCPDROP_SIM_COUNTERS");
	FILE *file = path != NULL ? fopen(path, "w") : NULL;

	if (file == NULL)
		return;
	fprintf(file, "walks %ld requests %ld opens %ld descriptors %ld\n",
	    sim.walks, sim.requests, sim.opens, sim.descriptors);
	fclose(file);
}

__attribute__((constructor)) static void
start(void)
{
	const char *text = getenv("TCPDROP_SIM_ENTRIES");
	const char *crowd = getenv("TCPDROP_SIM_CROWD");
	const char *refusal = getenv("TCPDROP_SIM_OPEN_ERRNO");
	const char *losses = getenv("TCPDROP_SIM_LOSES");
	unsigned four, six;

	sim_reset();
	if (crowd != NULL) {
		gather_crowd(strtoul(crowd, NULL, 10));
	} else {
		sim.refresh = refresh;
		sim.kill = kill_conn;
	}
	sim.closed = count;
	if (losses != NULL)
		(void)sscanf(losses, "%u,%ld", &sim.loses, &sim.short_walks);
	sim.loses_info = sim.loses;
	if (refusal != NULL)
		sim.open_errno = atoi(refusal);
	if (text != NULL && sscanf(text, "%u,%u", &four, &six) == 2) {
		sim.entry4 = four;
		sim.entry6 = six;
		sim.sock_info = four >= 172;
	}
}
