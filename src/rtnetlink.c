/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtnetlink.c - routing requests into bytes, answers out of them.
 *
 * Layouts: include/uapi/linux/{rtnetlink,fib_rules,if_link}.h.
 */
#include "rtnetlink.h"

#include <errno.h>

enum { FAMILY_UNSPEC = 0, FAMILY_INET = 2, FAMILY_INET6 = 10, PROTOCOL_TCP = 6 };

/* A route and a rule begin alike: family, the lengths of both prefixes, tos. */
enum { ROUTE_HEADER = 12, ROUTE_DST_LEN = 1, ROUTE_SRC_LEN = 2, RULE_TOS = 3 };
enum { LINK_HEADER = 16, LINK_INDEX = 4, LINK_FLAGS = 8 };

enum { RTA_DST = 1, RTA_SRC = 2, RTA_OIF = 4, RTA_MARK = 16, RTA_UID = 25,
	RTA_IP_PROTO = 27, RTA_SPORT = 28, RTA_DPORT = 29 };

enum { FRA_DST = 1, FRA_SRC = 2, FRA_IIFNAME = 3, FRA_GOTO = 4, FRA_PRIORITY = 6,
	FRA_FWMARK = 10, FRA_FLOW = 11, FRA_SUPPRESS_IFGROUP = 13,
	FRA_SUPPRESS_PREFIXLEN = 14, FRA_TABLE = 15, FRA_FWMASK = 16,
	FRA_OIFNAME = 17, FRA_PAD = 18, FRA_L3MDEV = 19, FRA_UID_RANGE = 20,
	FRA_PROTOCOL = 21, FRA_IP_PROTO = 22, FRA_SPORT_RANGE = 23,
	FRA_DPORT_RANGE = 24, FRA_SPORT_MASK = 28, FRA_DPORT_MASK = 29 };

enum { IFLA_IFNAME = 3, IFLA_MASTER = 10, IFLA_EXT_MASK = 29, EXT_SKIP_STATS = 8,
	IFLA_PROP_LIST = 52, IFLA_ALT_IFNAME = 53 };
enum { STATS_HEADER = 12, STATS_INDEX = 4, STATS_FILTER = 8, STATS_AF_SPEC = 16 };
enum { IFF_UP = 1, IFF_LOOPBACK = 8, IFF_LOWER_UP = 0x10000 };

static const uint8_t unspecified[16];

static uint8_t *
put_u32(uint8_t *p, uint16_t type, uint32_t value)
{
	return p + td_put_attribute(p, type, &value, sizeof(value));
}

static uint8_t *
put_u16_of_net(uint8_t *p, uint16_t type, uint16_t port)
{
	uint8_t bytes[2];

	td_put_port(bytes, port);
	return p + td_put_attribute(p, type, bytes, sizeof(bytes));
}

size_t
td_put_route(void *buf, uint32_t seq, const struct td_row *row)
{
	/* What a socket of IPv6 carries of IPv4 is routed as that. */
	int mapped = row->family == 6 && td_is_mapped(row->raddr);
	size_t skip = mapped ? 12 : 0;
	size_t size = row->family == 4 || mapped ? 4 : 16;
	const uint8_t *source = row->laddr + skip, tcp = PROTOCOL_TCP;
	uint8_t *start = buf, *p = start + TD_NLMSG_HEADER, *header = p;

	memset(p, 0, ROUTE_HEADER);
	header[0] = size == 4 ? FAMILY_INET : FAMILY_INET6;
	header[ROUTE_DST_LEN] = (uint8_t)(8 * size);
	p += ROUTE_HEADER;
	p += td_put_attribute(p, RTA_DST, row->raddr + skip, size);
	if (memcmp(source, unspecified, size) != 0) {
		header[ROUTE_SRC_LEN] = (uint8_t)(8 * size);
		p += td_put_attribute(p, RTA_SRC, source, size);
	}
	if (row->ifindex != 0)
		p = put_u32(p, RTA_OIF, row->ifindex);
	if (row->mark != 0)
		p = put_u32(p, RTA_MARK, row->mark);
	if (row->flags & TD_ROW_UID)
		p = put_u32(p, RTA_UID, row->uid);
	p += td_put_attribute(p, RTA_IP_PROTO, &tcp, sizeof(tcp));
	p = put_u16_of_net(p, RTA_SPORT, row->lport);
	p = put_u16_of_net(p, RTA_DPORT, row->rport);
	td_put_header(start, (size_t)(p - start), TD_RTM_GETROUTE,
	    TD_NLM_F_REQUEST, seq);
	return (size_t)(p - start);
}

/* An errno instead of an answer: positive, or -EBADMSG. */
static int
refusal(const struct td_message *m)
{
	int error = td_message_errno(m);

	return error == 0 ? -EBADMSG : error;
}

int
td_get_route(const struct td_message *m, struct td_route *route)
{
	const unsigned char *at = m->payload + ROUTE_HEADER;
	struct td_attribute a;
	size_t left;
	int error;

	memset(route, 0, sizeof(*route));
	if (m->type == TD_NLMSG_ERROR) {
		error = refusal(m);
		if (error > 0)
			route->error = (uint32_t)error;
		return error > 0 ? 0 : error;
	}
	if (m->type != TD_RTM_NEWROUTE || m->size < ROUTE_HEADER)
		return -EBADMSG;
	left = m->size - ROUTE_HEADER;
	while ((error = td_next_attribute(&at, &left, &a)) == 1)
		if (a.type == RTA_OIF && a.size >= 4)
			route->ifindex = td_get32(a.data);
	return error;
}

void
td_put_rules(void *buf, uint32_t seq, uint8_t family)
{
	uint8_t *p = buf;

	memset(p, 0, TD_RULES_SIZE);
	td_put_header(p, TD_RULES_SIZE, TD_RTM_GETRULE,
	    TD_NLM_F_REQUEST | TD_NLM_F_DUMP, seq);
	p[TD_NLMSG_HEADER] = family == 4 ? FAMILY_INET : FAMILY_INET6;
}

/* What a rule with this attribute looks at. */
static uint32_t
looks_at_of(uint16_t attribute)
{
	switch (attribute) {
	case FRA_FWMARK:
	case FRA_FWMASK:
		return TD_RULE_MARK;
	case FRA_UID_RANGE:
		return TD_RULE_UID;
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
	case FRA_SPORT_MASK:
	case FRA_DPORT_MASK:
		return TD_RULE_PORTS;
	case FRA_SRC: /* its length tells */
	case FRA_DST:
	case FRA_IIFNAME: /* what we send comes from lo */
	case FRA_OIFNAME:
	case FRA_L3MDEV:
	case FRA_IP_PROTO:
	case FRA_GOTO:
	case FRA_PRIORITY:
	case FRA_FLOW:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_TABLE:
	case FRA_PAD:
	case FRA_PROTOCOL:
		return 0;
	default:
		return TD_RULE_OTHER;
	}
}

int
td_get_rule(const struct td_message *m, uint32_t *looks_at)
{
	const unsigned char *at = m->payload + ROUTE_HEADER;
	struct td_attribute a;
	size_t left;
	int error;

	if (m->type != TD_RTM_NEWRULE || m->size < ROUTE_HEADER)
		return -EBADMSG;
	if (m->payload[ROUTE_SRC_LEN] != 0)
		*looks_at |= TD_RULE_SOURCE;
	if (m->payload[RULE_TOS] != 0)
		*looks_at |= TD_RULE_OTHER;
	left = m->size - ROUTE_HEADER;
	while ((error = td_next_attribute(&at, &left, &a)) == 1)
		*looks_at |= looks_at_of(a.type);
	return error;
}

static void
put_getlink(void *buf, uint32_t seq, uint32_t ifindex, uint16_t flags)
{
	uint8_t *p = buf;

	memset(p, 0, TD_LINK_SIZE);
	td_put_header(p, TD_LINK_SIZE, TD_RTM_GETLINK, TD_NLM_F_REQUEST | flags,
	    seq);
	p[TD_NLMSG_HEADER] = FAMILY_UNSPEC;
	td_put32(p + TD_NLMSG_HEADER + LINK_INDEX, ifindex);
	/* Its counters are the most of an answer, and nobody reads them. */
	(void)put_u32(p + TD_NLMSG_HEADER + LINK_HEADER, IFLA_EXT_MASK,
	    EXT_SKIP_STATS);
}

void
td_put_link(void *buf, uint32_t seq, uint32_t ifindex)
{
	put_getlink(buf, seq, ifindex, 0);
}

void
td_put_links(void *buf, uint32_t seq)
{
	put_getlink(buf, seq, 0, TD_NLM_F_DUMP);
}

void
td_put_stats(void *buf, uint32_t seq)
{
	uint8_t *p = buf;

	memset(p, 0, TD_STATS_SIZE);
	td_put_header(p, TD_STATS_SIZE, TD_RTM_GETSTATS,
	    TD_NLM_F_REQUEST | TD_NLM_F_DUMP, seq);
	/* Something must be asked for: this hardly any device has. */
	td_put32(p + TD_NLMSG_HEADER + STATS_FILTER, STATS_AF_SPEC);
}

int
td_get_index(const struct td_message *m, uint32_t *index)
{
	size_t header = m->type == TD_RTM_NEWSTATS ? STATS_HEADER : LINK_HEADER;

	if ((m->type != TD_RTM_NEWSTATS && m->type != TD_RTM_NEWLINK) ||
	    m->size < header)
		return -EBADMSG;
	/* struct if_stats_msg and struct ifinfomsg have it at one place. */
	*index = td_get32(m->payload + LINK_INDEX);
	return 0;
}

int
td_get_link(const struct td_message *m, struct td_link *link)
{
	const unsigned char *at = m->payload + LINK_HEADER;
	struct td_attribute a;
	uint32_t flags;
	size_t left;
	int error;

	memset(link, 0, sizeof(*link));
	if (m->type == TD_NLMSG_ERROR) {
		error = refusal(m);
		if (error > 0)
			link->error = (uint32_t)error;
		return error > 0 ? 0 : error;
	}
	if (m->type != TD_RTM_NEWLINK || m->size < LINK_HEADER)
		return -EBADMSG;
	flags = td_get32(m->payload + LINK_FLAGS);
	if (flags & IFF_UP && flags & IFF_LOWER_UP)
		link->flags |= TD_LINK_UP;
	if (flags & IFF_LOOPBACK)
		link->flags |= TD_LINK_LOOPBACK;
	left = m->size - LINK_HEADER;
	while ((error = td_next_attribute(&at, &left, &a)) == 1)
		if (a.type == IFLA_MASTER && a.size >= 4)
			link->master = td_get32(a.data);
	return error;
}

/* One name into the n-th place, if there is one: 0, or -EBADMSG. */
static int
take_name(const struct td_attribute *a, uint32_t index, struct td_interface *to,
    size_t most, size_t n)
{
	if (a->size == 0 || a->size > sizeof(to->name) || a->data[a->size - 1] != 0)
		return -EBADMSG;
	if (n < most) {
		memset(&to[n], 0, sizeof(to[n]));
		to[n].index = index;
		memcpy(to[n].name, a->data, a->size);
	}
	return 0;
}

int
td_get_names(const struct td_message *m, struct td_interface *to, size_t most)
{
	const unsigned char *at = m->payload + LINK_HEADER;
	struct td_attribute a, inner;
	size_t left, n = 0;
	uint32_t index;
	int error;

	if (m->type != TD_RTM_NEWLINK || m->size < LINK_HEADER)
		return -EBADMSG;
	index = td_get32(m->payload + LINK_INDEX);
	left = m->size - LINK_HEADER;
	while ((error = td_next_attribute(&at, &left, &a)) == 1) {
		const unsigned char *in = a.data;
		size_t rest = a.type == IFLA_PROP_LIST ? a.size : 0;

		if (a.type == IFLA_IFNAME &&
		    (error = take_name(&a, index, to, most, n++)) != 0)
			return error;
		while ((error = td_next_attribute(&in, &rest, &inner)) == 1)
			if (inner.type == IFLA_ALT_IFNAME &&
			    (error = take_name(&inner, index, to, most, n++)) != 0)
				return error;
		if (error != 0)
			return error;
	}
	return error == 0 ? (int)n : error;
}
