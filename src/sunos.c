/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos.c - aborting a connection by TCP_IOC_ABORT_CONN on /dev/tcp.  What is
 * odd about this kernel:
 *
 * - Zero is "any": an unspecified address or port 0 would abort every
 *   connection that fits the rest.  td_tuple_check() stands before all else.
 * - A request of family AF_INET compares the low 32 bits only, and so hits
 *   IPv6 connections too.  AF_INET6 with v4-mapped addresses hits exactly the
 *   IPv4 one: nothing else is ever sent.
 * - Success means queued.  A listing taken at once may still show the victim,
 *   and a second request may succeed again.  Who must know looks once more.
 * - A socket has no cookie, so identity is tuple, creation time and creator,
 *   compared in a walk just before the request.  Between the two remains a
 *   moment that no interface of this kernel closes.
 * - Interfaces are not compared: of two link-local connections that differ
 *   only there the kernel takes its first, so we refuse.
 * - Zone 0 reaches what our own listing shows, wherever aborting is allowed:
 *   an exclusive-IP zone calls its connections zone 0 too, and in a shared-IP
 *   zone all of this is EPERM.
 * - The peer gets no RST; each request writes two lines to the console.
 *
 * inet/tcp.h (PSARC 2001/292), docs/porting.md.
 */
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1 /* the inet headers need it in strict modes */
#endif
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sunos.h"

const char td_backend[] = "sunos";

/* Everything that can be aborted: no listener, no closed socket. */
#define CONNECTIONS \
	(TD_ALL_STATES & ~(1u << TD_STATE_LISTEN) & ~(1u << TD_STATE_CLOSED))

/* ---- zones -------------------------------------------------------------- */

int
td_sun_zone(int scope, int32_t *zone, const char **step)
{
	*step = "zone";
	*zone = scope == TD_OWN_SCOPE ? TD_SUN_GLOBAL_ZONE : scope;
	return *zone < TD_SUN_ALL_ZONES ? -EINVAL : 0;
}

/* ---- looking ------------------------------------------------------------ */

int
td_sun_connections(struct td_rows *rows, const char **step)
{
	struct td_query query;
	int error;

	memset(&query, 0, sizeof(query));
	query.states = CONNECTIONS;
	query.scope = TD_OWN_SCOPE;
	memset(rows, 0, sizeof(*rows));
	rows->stride = sizeof(struct td_row);
	do
		error = td_sun_walk(&query, rows, step);
	while (error == -EINTR);
	return error;
}

/*
 * The one row of this tuple.  ifindex 0 is any interface here, for a row tells
 * its interface only in the IPv6 table.
 */
static int
find(const struct td_rows *rows, const struct td_tuple *tuple,
    const struct td_row **found, const char **step)
{
	size_t i;

	*found = NULL;
	*step = "look-up";
	for (i = 0; i < rows->count; i++) {
		const struct td_row *row = td_rows_at(rows, i);

		if (!td_same_ends(tuple, row) ||
		    (tuple->ifindex != 0 && row->ifindex != 0 &&
			row->ifindex != tuple->ifindex))
			continue;
		if (*found != NULL)
			return -ENOTUNIQ;
		*found = row;
	}
	return *found == NULL ? -ENOENT : 0;
}

/* All connections, for a look-up in this scope: the kernel shows the caller's zone only. */
static int
connections_in(int scope, struct td_rows *rows, const char **step)
{
	int32_t zone;
	int error = td_sun_zone(scope, &zone, step);

	memset(rows, 0, sizeof(*rows));
	if (error == 0 && zone != TD_SUN_GLOBAL_ZONE)
		error = -ENOTSUP;
	return error != 0 ? error : td_sun_connections(rows, step);
}

int
td_lookup(const struct td_tuple *tuple, int scope, struct td_row *row,
    const char **step)
{
	const struct td_row *found;
	struct td_rows rows;
	int error = connections_in(scope, &rows, step);

	if (error == 0)
		error = find(&rows, tuple, &found, step);
	if (error == 0)
		*row = *found;
	td_rows_free(&rows);
	return error;
}

int
td_lookup_each(const struct td_tuple *tuples, size_t n,
    const uint32_t *ifindices, size_t n_ifindices,
    struct td_conversation *c, struct td_rows *rows, const char **step)
{
	const struct td_row *found;
	struct td_rows all;
	int error = connections_in(c->scope, &all, step);
	size_t i;

	for (i = 0; i < n * n_ifindices && error == 0; i++) {
		struct td_tuple one = tuples[i / n_ifindices];

		one.ifindex = ifindices[i % n_ifindices];
		error = find(&all, &one, &found, step);
		if (error == 0)
			error = td_rows_append(rows, found);
		else if (error == -ENOENT)
			error = 0;
	}
	td_rows_free(&all);
	return error != 0 ? error : td_rows_unique(rows);
}

/* ---- aborting ----------------------------------------------------------- */

struct request {
	unsigned char bytes[TD_SUN_ABORT_SIZE];
};

static void
put_end(unsigned char *to, uint8_t family, const uint8_t *addr, uint16_t port)
{
	static const uint16_t inet6 = TD_SUN_AF_INET6;

	memcpy(to, &inet6, sizeof(inet6));
	to[TD_SUN_PORT] = (unsigned char)(port >> 8);
	to[TD_SUN_PORT + 1] = (unsigned char)(port & 0xff);
	to += TD_SUN_ADDR;
	if (family == 6) {
		memcpy(to, addr, 16);
	} else {
		to[10] = to[11] = 0xff;
		memcpy(to + 12, addr, 4);
	}
}

static void
put_request(struct request *r, const struct td_tuple *t, int32_t zone)
{
	static const int32_t start = TD_SUN_SYN_SENT, end = TD_SUN_TIME_WAIT;

	memset(r, 0, sizeof(*r));
	put_end(r->bytes, t->family, t->laddr, t->lport);
	put_end(r->bytes + TD_SUN_STORAGE, t->family, t->raddr, t->rport);
	memcpy(r->bytes + TD_SUN_START, &start, sizeof(start));
	memcpy(r->bytes + TD_SUN_END, &end, sizeof(end));
	memcpy(r->bytes + TD_SUN_ZONE, &zone, sizeof(zone));
}

int
td_sun_request(int fd, const struct td_tuple *tuple, int32_t zone,
    const char **step)
{
	struct strioctl command;
	struct request request;
	const char *why;

	*step = "tuple";
	if (td_tuple_check(tuple, &why) != 0)
		return -EINVAL;
	*step = "tcp_ioc_abort_conn_t";
	if (TD_SUN_ABI_DIFFERS)
		return -ENOSYS;
	put_request(&request, tuple, zone);
	/* The kernel writes into this: all of it is set for each call. */
	command.ic_cmd = TD_SUN_ABORT_CONN;
	command.ic_timout = -1;
	command.ic_len = (int)sizeof(request);
	command.ic_dp = (char *)request.bytes;
	*step = "TCP_IOC_ABORT_CONN";
	if (ioctl(fd, I_STR, &command) >= 0)
		return 0;
	/*
	 * Nothing in a checked request is invalid: so this kernel has another
	 * structure or does not know the request.
	 */
	return errno == EINVAL ? -EOPNOTSUPP : td_sun_errno();
}

static int
open_and_abort(const struct td_tuple *tuple, int32_t zone, const char **step)
{
	int fd = td_sun_open("/dev/tcp", O_RDONLY), error;

	*step = "/dev/tcp";
	if (fd < 0)
		return fd;
	error = td_sun_request(fd, tuple, zone, step);
	close(fd);
	return error;
}

static int
is_link_local(const struct td_tuple *t)
{
	return t->family == 6 &&
	    ((t->laddr[0] == 0xfe && (t->laddr[1] & 0xc0) == 0x80) ||
		(t->raddr[0] == 0xfe && (t->raddr[1] & 0xc0) == 0x80));
}

/*
 * Is there one connection of this tuple, and is it the one that was meant?
 * The kernel ignores interfaces, so none is asked for here: two are refused.
 */
static int
confirm(const struct td_tuple *tuple, const char **step)
{
	struct td_tuple any = *tuple;
	const struct td_row *found;
	struct td_rows rows;
	int error = td_sun_connections(&rows, step);

	any.ifindex = 0;
	if (error == 0)
		error = find(&rows, &any, &found, step);
	if (error == 0 &&
	    ((tuple->cookie != 0 && found->cookie != tuple->cookie) ||
		(tuple->ifindex != 0 && found->ifindex != 0 &&
		    found->ifindex != tuple->ifindex)))
		error = -ENOENT;
	td_rows_free(&rows);
	return error;
}

int
td_abort(const struct td_tuple *tuple, struct td_conversation *c,
    const char **step)
{
	const char *why, *walk_step;
	int32_t zone;
	int seen, error;

	*step = "tuple";
	if (td_tuple_check(tuple, &why) != 0)
		return -EINVAL;
	error = td_sun_zone(c->scope, &zone, step);
	seen = tuple->cookie != 0 || tuple->ifindex != 0 ||
	    is_link_local(tuple);
	/* Another zone's connections cannot be seen, so not be told apart. */
	if (error == 0 && seen && zone != TD_SUN_GLOBAL_ZONE)
		error = -ENOTSUP;
	if (error == 0 && seen)
		error = confirm(tuple, step);
	if (error == 0)
		error = open_and_abort(tuple, zone, step);
	/* The kernel asks for the right before it looks; we promised otherwise. */
	if (error == -EPERM && !seen && zone == TD_SUN_GLOBAL_ZONE &&
	    confirm(tuple, &walk_step) == -ENOENT) {
		*step = walk_step;
		error = -ENOENT;
	}
	return error;
}

int
td_abort_descriptor(int fd, const struct td_tuple *tuple, const char **step)
{
	(void)fd, (void)tuple;
	/*
	 * I_STR on a socket would turn it into a stream for good, and connect()
	 * does not undo a connection here.
	 */
	*step = "descriptor";
	return -ENOTSUP;
}

int
td_socket_of(int pid, int fd, struct td_row *row, const char **step)
{
	(void)pid, (void)fd, (void)row;
	*step = "descriptor"; /* this system lends none */
	return -ENOTSUP;
}

int
td_pipe_is_cut(int pid, int fd, uint64_t inode, int *cut, const char **step)
{
	(void)pid, (void)fd, (void)inode, (void)cut;
	*step = "pidfd_getfd"; /* no descriptor is lent */
	return -ENOTSUP;
}

int
td_abort_held(int pid, int fd, const struct td_tuple *tuple, uint64_t inode,
    int scope, int dry_run, int *kind, const char **step)
{
	(void)pid, (void)fd, (void)tuple, (void)inode;
	(void)scope, (void)dry_run, (void)kind;
	*step = "descriptor";
	return -ENOTSUP;
}

int
td_mptcp(int scope, struct td_rows *rows, const char **step)
{
	(void)scope, (void)rows;
	*step = ""; /* there is no MPTCP here */
	return 0;
}

int
td_unix_sockets(int scope, struct td_unix **all, size_t *n, const char **step)
{
	(void)scope, (void)all, (void)n;
	*step = "unix"; /* what is connected to what does not show */
	return -ENOTSUP;
}

int
td_process(int pid, const char *variable, struct td_process *process,
    const char **step)
{
	(void)pid, (void)variable, (void)process;
	*step = "process";
	return -ENOTSUP; /* /proc is another one here: Python reads psinfo */
}

void
td_process_free(struct td_process *process)
{
	(void)process;
}

int
td_thread_tables(int pid, int **tids, size_t *n, const char **step)
{
	(void)pid;
	*tids = NULL;
	*n = 0;
	*step = "/proc";
	return -ENOTSUP;
}

/* ---- the rest ----------------------------------------------------------- */

/* No reset is sent, so nobody asks which way it would go. */
int
td_routes(const struct td_row *rows, size_t n, int scope,
    struct td_route *routes, const char **step)
{
	(void)rows, (void)n, (void)scope, (void)routes;
	*step = "route";
	return -ENOTSUP;
}

int
td_rules(int scope, uint32_t *ipv4, uint32_t *ipv6, const char **step)
{
	(void)scope, (void)ipv4, (void)ipv6;
	*step = "route";
	return -ENOTSUP;
}

int
td_links(const uint32_t *ifindices, size_t n, int scope, struct td_link *links,
    const char **step)
{
	(void)ifindices, (void)n, (void)scope, (void)links;
	*step = "route";
	return -ENOTSUP;
}

int
td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step)
{
	struct if_nameindex *all, *one;
	size_t count = 0;

	*step = "zone";
	if (scope != TD_OWN_SCOPE && scope != TD_SUN_GLOBAL_ZONE)
		return -ENOTSUP;
	*step = "if_nameindex";
	all = if_nameindex();
	if (all == NULL)
		return -errno;
	for (one = all; one->if_index != 0; one++)
		count++;
	*list = calloc(count + 1, sizeof(**list));
	if (*list != NULL) {
		*n = 0;
		for (one = all; one->if_index != 0; one++) {
			struct td_interface *to = &(*list)[(*n)++];

			to->index = one->if_index;
			strncpy(to->name, one->if_name, sizeof(to->name) - 1);
		}
	}
	if_freenameindex(all);
	return *list == NULL ? -ENOMEM : 0;
}

int
td_ifindices(int scope, uint32_t **list, size_t *n, const char **step)
{
	(void)scope, (void)list, (void)n;
	*step = "ifindices"; /* the kernel ignores interfaces: none is asked for */
	return -ENOTSUP;
}

/*
 * A request without effect: no connection has a multicast address at both
 * ends, nor the highest zone id there could be, and for a zone other than 0
 * and -1 the kernel keeps its log lines off the console.  (Not in a zone with
 * its own stack, where each request is taken for zone 0: what is refused before
 * they are written is EINVAL, as from a kernel that knows no such request.)  It
 * checks the size of the structure first, then the right, and looks last:
 *
 *   ENOENT      it can, and the caller may
 *   EPERM       it can, and the caller may not
 *   EOPNOTSUPP  (its EINVAL) it has another structure or no such request
 */
int
td_probe(int scope, const char **step)
{
	static const struct td_tuple nobody = {.family = 4,
	    .laddr = {224, 0, 0, 1}, .raddr = {224, 0, 0, 1}, .lport = 1,
	    .rport = 1};
	int error;

	(void)scope; /* the right and the structure are the same for each zone */
	error = open_and_abort(&nobody, INT32_MAX, step);
	return error == -ENOENT ? 0 : error;
}
