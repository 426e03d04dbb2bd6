/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_times.c - what never happened has no time.
 *
 * The kernel tells how long ago data was sent and received last: its clock less
 * a stamp.  A stamp that was never written is 0, and the difference the clock
 * itself.  Who has opened a connection at once with its peer, or with itself,
 * and has received nothing yet would seem as old as the host.  A socket that
 * was never connected shows the clock.
 *
 * tcp_get_info(), net/ipv4/tcp.c; tcp_rcv_synsent_state_process(),
 * net/ipv4/tcp_input.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0: it cannot be read. */
static int
read_clock(uint32_t *ms)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), done;

	if (fd < 0)
		return 0;
	done = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	    size > offsetof(struct tcp_info, tcpi_last_data_recv);
	if (done)
		*ms = info.tcpi_last_data_recv;
	close(fd);
	return done;
}

struct td_clock
td_clock_before(void)
{
	struct td_clock clock = {0, UINT32_MAX, 0};

	clock.known = read_clock(&clock.before);
	return clock;
}

void
td_forget_never(struct td_rows *rows, struct td_clock clock)
{
	size_t i;

	/* Unread it may be anything. */
	if (!clock.known || !read_clock(&clock.behind))
		clock = (struct td_clock){0, UINT32_MAX, 0};
	for (i = 0; i < rows->count; i++) {
		struct td_info *info = td_rows_info(rows, td_rows_at(rows, i));
		int received = (info->known & TD_INFO_BYTES) != 0 &&
		    info->bytes_received > 1; /* a FIN counts as one */
		uint32_t span = clock.behind - clock.before; /* it wraps */

		if (!received && (info->last_sent - clock.before <= span ||
				     info->last_received - clock.before <= span))
			info->known &= ~TD_INFO_TIMES;
	}
}
