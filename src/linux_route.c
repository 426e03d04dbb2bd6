/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_route.c - does a packet leave, and by which device?  What is odd about
 * this kernel:
 *
 * - It looks at the source of what it sends in IPv4 only: there an address that
 *   is not here is no way (ENETUNREACH or EINVAL, as other reasons are too),
 *   unless the socket is transparent.  IPv6 sends from any address.
 * - A device that was switched off has no routes any more; one that has lost
 *   its carrier keeps them, and drops what comes.
 *
 * Nothing of this needs a privilege.  Many questions travel in one send(), each
 * is answered once, in order.
 *
 * rtnetlink(7), net/ipv4/route.c, net/ipv6/route.c, net/core/fib_rules.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"
#include "rtnetlink.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#define SAME(ours, theirs) \
	_Static_assert((long)(ours) == (long)(theirs), #ours " is not " #theirs)
SAME(TD_RTM_NEWLINK, RTM_NEWLINK);
SAME(TD_RTM_GETLINK, RTM_GETLINK);
SAME(TD_RTM_NEWROUTE, RTM_NEWROUTE);
SAME(TD_RTM_GETROUTE, RTM_GETROUTE);
SAME(TD_RTM_NEWRULE, RTM_NEWRULE);
SAME(TD_RTM_GETRULE, RTM_GETRULE);
SAME(TD_RTM_NEWSTATS, RTM_NEWSTATS);
SAME(TD_RTM_GETSTATS, RTM_GETSTATS);
SAME(TD_STATS_SIZE, NLMSG_HDRLEN + sizeof(struct if_stats_msg));
SAME(TD_RULES_SIZE, NLMSG_HDRLEN + sizeof(struct fib_rule_hdr));
SAME(TD_LINK_SIZE, NLMSG_HDRLEN + sizeof(struct ifinfomsg) + 8);
SAME(12, sizeof(struct rtmsg));

enum { BUFFER = 32768 };

/* The questions of one conversation: the i-th is written, and its answer read. */
struct asking {
	const void *questions;
	void *answers;
	size_t (*put)(const struct asking *a, size_t i, void *buf, uint32_t seq);
	int (*take)(const struct asking *a, size_t i, const struct td_message *m);
};

static int
ask_some(int fd, const struct asking *a, size_t from, size_t n, unsigned char *buf,
    const char **step)
{
	unsigned char requests[TD_AT_ONCE * TD_ROUTE_MOST];
	struct td_message m;
	size_t size = 0, i;
	int error;

	memset(requests, 0, TD_RULES_SIZE); /* never sent with a size of 0 */
	for (i = 0; i < n; i++)
		size += a->put(a, from + i, requests + size, (uint32_t)i + 1);
	error = td_send(fd, requests, size, step);
	for (i = 0; i < n && error == 0; i++) {
		error = td_receive_one(fd, buf, BUFFER, (uint32_t)i + 1, &m, step);
		if (error != 0)
			break;
		*step = "answer";
		error = a->take(a, from + i, &m);
	}
	return error;
}

static int
ask_all(const struct asking *a, size_t n, int scope, const char **step)
{
	unsigned char *buf = malloc(BUFFER);
	int fd, error;
	size_t i, most;

	*step = "malloc";
	if (buf == NULL)
		return -ENOMEM;
	error = td_open_route(scope, &fd, step);
	if (error == 0) {
		most = td_at_once(fd);
		for (i = 0; i < n && error == 0; i += most)
			error = ask_some(fd, a, i, n - i < most ? n - i : most, buf,
			    step);
		close(fd);
	}
	free(buf);
	return error;
}

static size_t
put_route(const struct asking *a, size_t i, void *buf, uint32_t seq)
{
	return td_put_route(buf, seq, (const struct td_row *)a->questions + i);
}

static int
take_route(const struct asking *a, size_t i, const struct td_message *m)
{
	return td_get_route(m, (struct td_route *)a->answers + i);
}

int
td_routes(const struct td_row *rows, size_t n, int scope,
    struct td_route *routes, const char **step)
{
	struct asking a = {rows, routes, put_route, take_route};

	return ask_all(&a, n, scope, step);
}

static size_t
put_link(const struct asking *a, size_t i, void *buf, uint32_t seq)
{
	td_put_link(buf, seq, ((const uint32_t *)a->questions)[i]);
	return TD_LINK_SIZE;
}

static int
take_link(const struct asking *a, size_t i, const struct td_message *m)
{
	return td_get_link(m, (struct td_link *)a->answers + i);
}

int
td_links(const uint32_t *ifindices, size_t n, int scope, struct td_link *links,
    const char **step)
{
	struct asking a = {ifindices, links, put_link, take_link};

	return ask_all(&a, n, scope, step);
}

/* Take the rules out of one datagram: 1 when the dump is over, 0 to go on. */
static int
take_rules(const unsigned char *at, size_t left, uint32_t *looks_at)
{
	struct td_message m;
	int error;

	while ((error = td_next_message(&at, &left, &m)) == 1) {
		if (m.type == TD_NLMSG_DONE)
			return 1;
		error = m.type == TD_NLMSG_ERROR ? td_message_errno(&m) : 0;
		if (error == EOPNOTSUPP || error == EAFNOSUPPORT)
			return 1; /* a kernel without policy rules has none */
		if (error != 0)
			return error > 0 ? -error : error;
		error = td_get_rule(&m, looks_at);
		if (error != 0)
			return error;
	}
	return error;
}

static int
dump_rules(int fd, uint8_t family, uint32_t *looks_at, const char **step)
{
	unsigned char request[TD_RULES_SIZE], *buf = malloc(BUFFER);
	size_t got = 0;
	int error;

	*step = "malloc";
	if (buf == NULL)
		return -ENOMEM;
	*looks_at = 0;
	td_put_rules(request, family, family);
	error = td_send(fd, request, sizeof(request), step);
	while (error == 0) {
		error = td_receive(fd, buf, BUFFER, &got, step);
		if (error == 0) {
			*step = "rules";
			error = take_rules(buf, got, looks_at);
		}
	}
	free(buf);
	return error == 1 ? 0 : error;
}

int
td_rules(int scope, uint32_t *ipv4, uint32_t *ipv6, const char **step)
{
	int fd, error = td_open_route(scope, &fd, step);

	if (error != 0)
		return error;
	error = dump_rules(fd, 4, ipv4, step);
	if (error == 0)
		error = dump_rules(fd, 6, ipv6, step);
	close(fd);
	return error;
}
