/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_mptcp.c - the MPTCP sockets.  What is odd about this kernel:
 *
 * - An application holds an MPTCP socket; what a dump of TCP shows are its
 *   subflows.  SOCK_DESTROY of the only subflow reports success, and neither
 *   application notices for a minute: it would be a lie.
 * - A dump tells that a socket is a subflow only to CAP_NET_ADMIN and only
 *   among the details, which cost a quarter of the time.  The MPTCP sockets
 *   have a table of their own, which is mostly empty.
 * - Asking for that table makes the kernel look for a module, each time, where
 *   it has none: so /proc is asked first whether there is any such socket.  But
 *   kernels before 6.3 do not count them there, and always say 0.
 *
 * mptcp(7), net/mptcp/mptcp_diag.c, net/core/sock_diag.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>

enum { ANY_PROTOCOL = 255, REQ_PROTOCOL = 3, MPTCP = 262 };

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
	struct nlattr attribute;
	uint32_t protocol; /* does not fit into the body's byte */
};

/* How many there are in the thread's own namespace; -1: the kernel knows none. */
static long
count_sockets(void)
{
	FILE *f = fopen("/proc/thread-self/net/protocols", "re");
	long total = -1, number;
	char line[256];

	if (f == NULL)
		return 1; /* it cannot be told: look */
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MPTCP %*u %ld", &number) == 1 ||
		    sscanf(line, "MPTCPv6 %*u %ld", &number) == 1)
			total = (total < 0 ? 0 : total) + number;
	if (ferror(f))
		total = 1; /* nor can it be told from a part of it */
	(void)fclose(f);
	return total;
}

/* Does this kernel count them? */
static int
are_counted(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	if (uname(&name) != 0 ||
	    sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return 0;
	return major > 6 || (major == 6 && minor >= 3);
}

static int
take_row(void *arg, const struct td_message *m)
{
	struct td_row *row;

	if (m->type != TD_SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	row = td_rows_add(arg);
	return row == NULL ? -ENOMEM : td_get_row(m, row, NULL);
}

static int
dump(int fd, int family, void *buf, struct td_rows *rows, const char **step)
{
	struct request request = {
	    .header = {.nlmsg_len = sizeof(request),
		.nlmsg_type = TD_SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nlmsg_seq = (uint32_t)family},
	    .body = {.sdiag_family = (uint8_t)family,
		.sdiag_protocol = ANY_PROTOCOL,
		.idiag_states = TD_ALL_STATES & ~(1u << TD_STATE_LISTEN) &
		    ~(1u << TD_STATE_CLOSED)},
	    .attribute = {.nla_len = sizeof(struct nlattr) + sizeof(uint32_t),
		.nla_type = REQ_PROTOCOL},
	    .protocol = MPTCP};
	struct td_dumping dumping = {fd, (uint32_t)family, buf, TD_BUFFER,
	    take_row, rows, "MPTCP dump"};
	int error = td_send(fd, &request, sizeof(request), step);

	return error != 0 ? error : td_receive_dump(&dumping, step);
}

static int
dump_both(int scope, struct td_rows *rows, const char **step)
{
	void *buf = malloc(TD_BUFFER);
	int fd, error;

	*step = "malloc";
	if (buf == NULL)
		return -ENOMEM;
	error = td_open_diag(scope, &fd, step);
	if (error == 0) {
		error = dump(fd, AF_INET, buf, rows, step);
		if (error == 0)
			error = dump(fd, AF_INET6, buf, rows, step);
		close(fd);
	}
	free(buf);
	return error;
}

int
td_mptcp(int scope, struct td_rows *rows, const char **step)
{
	long number = count_sockets();
	int tries = TD_TRIES, error;

	/* Another namespace's number cannot be read from here. */
	if (number < 0 ||
	    (number == 0 && scope == TD_OWN_SCOPE && are_counted()))
		return 0;
	while ((error = dump_both(scope, rows, step)) == -EAGAIN && --tries > 0)
		td_rows_free(rows);
	return error;
}
