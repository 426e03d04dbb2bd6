/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtnetlink.h - the bytes of a routing conversation: which way a packet would
 * leave, what the rules look at, whether a device is up.  Pure, as
 * inet_diag.h; linux_route.c asserts these numbers against the kernel's.
 */
#ifndef TD_RTNETLINK_H
#define TD_RTNETLINK_H

#include "backend.h"
#include "netlink.h"

enum {
	TD_RTM_NEWLINK = 16,
	TD_RTM_GETLINK = 18,
	TD_RTM_NEWROUTE = 24,
	TD_RTM_GETROUTE = 26,
	TD_RTM_NEWRULE = 32,
	TD_RTM_GETRULE = 34,
	TD_RTM_NEWSTATS = 92,
	TD_RTM_GETSTATS = 94
};

#define TD_ROUTE_MOST 116u /* bytes of a request for a route at most */
#define TD_RULES_SIZE 28u  /* of one for all rules of a family */
#define TD_LINK_SIZE  40u  /* of one for a device */
#define TD_STATS_SIZE 28u  /* of one for the index of each device */

/* Ask for the way of this row's packets: how many bytes were written. */
size_t td_put_route(void *buf, uint32_t seq, const struct td_row *row);

/* The answer to it: 0, or -EBADMSG. */
int td_get_route(const struct td_message *m, struct td_route *route);

/* Ask for all rules, of IPv4 (4) or IPv6 (6): TD_RULES_SIZE bytes. */
void td_put_rules(void *buf, uint32_t seq, uint8_t family);

/* Add what one rule looks at: 0, or -EBADMSG. */
int td_get_rule(const struct td_message *m, uint32_t *looks_at);

/* Ask for one device: TD_LINK_SIZE bytes. */
void td_put_link(void *buf, uint32_t seq, uint32_t ifindex);
int td_get_link(const struct td_message *m, struct td_link *link);

/* Ask for all devices: TD_LINK_SIZE bytes. */
void td_put_links(void *buf, uint32_t seq);

/*
 * Ask for all devices' indices and nothing else, TD_STATS_SIZE bytes: a third
 * of the time, since a kernel writes kilobytes about a link.  Linux 4.7.
 */
void td_put_stats(void *buf, uint32_t seq);

/* The index of one device, in an answer to either: 0, or -EBADMSG. */
int td_get_index(const struct td_message *m, uint32_t *index);

/*
 * The names of one device, its own first: how many it has, of which the first
 * `most` are written; -EBADMSG.
 */
int td_get_names(const struct td_message *m, struct td_interface *to,
    size_t most);

#endif
