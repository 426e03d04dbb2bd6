/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos.h - what the files of the SunOS backend share.  The numbers are our
 * own, so that the same code runs on the simulator (tests/sim) and no header of
 * a system can break a build; sunos_abi.c holds them against those headers.
 */
#ifndef TD_SUNOS_H
#define TD_SUNOS_H

#include "mib2.h"

#include <stropts.h> /* last: the simulator's renames open() and others */

/* The request of TCP_IOC_ABORT_CONN: two sockaddr_storage, then three int32_t. */
enum {
	TD_SUN_AF_INET6 = 26,
	TD_SUN_STORAGE = 256, /* one sockaddr_storage */
	TD_SUN_PORT = 2,      /* within a sockaddr_in6 */
	TD_SUN_ADDR = 8,
	TD_SUN_START = 512,
	TD_SUN_END = 516,
	TD_SUN_ZONE = 520
};

enum { TD_SUN_GLOBAL_ZONE = 0, TD_SUN_ALL_ZONES = -1 };
enum { TD_SUN_SYN_SENT = -2, TD_SUN_TIME_WAIT = 6 };

#define TD_SUN_ABORT_CONN 0x545b

/* SPARC adds four bytes at the end; the kernel wants its own size exactly. */
#if defined(__sun) && defined(__sparc)
#define TD_SUN_ABORT_SIZE 528u
#else
#define TD_SUN_ABORT_SIZE 524u
#endif

/* 1 where sunos_abi.c did not compile: these numbers are not this system's. */
#ifndef TD_SUN_ABI_DIFFERS
#define TD_SUN_ABI_DIFFERS 0
#endif

/*
 * What a system call failed with.  That the kernel has no memory just now is
 * -EAGAIN here: -ENOMEM is our own want of it, which ends a Python program.
 */
int td_sun_errno(void);

/* Open a device close-on-exec: a descriptor or -errno, -ENODEV without it. */
int td_sun_open(const char *path, int flags);

/*
 * Walk the TCP tables of the caller's zone for what the query wants, in place
 * of what the rows were.  -EINTR: nothing was lost, walk again.
 * -EAGAIN: the kernel had no memory for all rows, several times in a row.
 */
int td_sun_walk(const struct td_query *query, struct td_rows *rows,
    const char **step);

/* The zone id of a scope; -EINVAL. */
int td_sun_zone(int scope, int32_t *zone, const char **step);

/*
 * Every connection of the caller's zone into new rows, to be freed on failure
 * too.  A walk that a signal ended is begun again.
 */
int td_sun_connections(struct td_rows *rows, const char **step);

/* Abort the one connection of a tuple; fd is /dev/tcp.  0: it is queued. */
int td_sun_request(int fd, const struct td_tuple *tuple, int32_t zone,
    const char **step);

#endif
