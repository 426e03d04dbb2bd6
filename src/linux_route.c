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
		error = td_receive_one(fd, buf, TD_BUFFER, (uint32_t)i + 1, &m, step);
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
	unsigned char *buf = malloc(TD_BUFFER);
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

static int
take_rule(void *arg, const struct td_message *m)
{
	return td_get_rule(m, arg);
}

static int
dump_rules(int fd, uint8_t family, void *buf, uint32_t *looks_at,
    const char **step)
{
	struct td_dumping dumping = {fd, family, buf, TD_BUFFER, take_rule,
	    looks_at, "rules"};
	unsigned char request[TD_RULES_SIZE];
	int error;

	*looks_at = 0;
	td_put_rules(request, family, family);
	error = td_send(fd, request, sizeof(request), step);
	if (error != 0)
		return error;
	error = td_receive_dump(&dumping, step);
	/* A kernel without policy rules has none. */
	return error == -EOPNOTSUPP || error == -EAFNOSUPPORT ? 0 : error;
}

static int
dump_both(int scope, void *buf, uint32_t *ipv4, uint32_t *ipv6,
    const char **step)
{
	int fd, error = td_open_route(scope, &fd, step);

	if (error != 0)
		return error;
	error = dump_rules(fd, 4, buf, ipv4, step);
	if (error == 0)
		error = dump_rules(fd, 6, buf, ipv6, step);
	close(fd);
	return error;
}

int
td_rules(int scope, uint32_t *ipv4, uint32_t *ipv6, const char **step)
{
	void *buf = malloc(TD_BUFFER);
	int tries = TD_TRIES, error = -ENOMEM;

	*step = "malloc";
	if (buf != NULL)
		do
			error = dump_both(scope, buf, ipv4, ipv6, step);
		while (error == -EAGAIN && --tries > 0);
	free(buf);
	return error;
}
