/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos.h - what the files of the SunOS backend share, and the one place where
 * the operating system is asked for by #if: on illumos and Solaris our numbers
 * are held against the system's headers, elsewhere against the simulator's
 * <stropts.h> (tests/sim/include), so that the same code runs in both.
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

#define TD_SAME(ours, theirs) \
	_Static_assert((long)(ours) == (long)(theirs), #ours " is not " #theirs)

#if defined(__sun)

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/tihdr.h>
#include <sys/zone.h>
#include <inet/mib2.h>
#include <inet/tcp.h>

#ifdef __GNUC__ /* offsetof() of older headers is no constant to clang */
#define TD_AT(ours, type, field) TD_SAME(ours, __builtin_offsetof(type, field))
#else
#define TD_AT(ours, type, field) TD_SAME(ours, offsetof(type, field))
#endif

/* SPARC adds four bytes at the end; the kernel wants its own size exactly. */
#define TD_SUN_ABORT_SIZE sizeof(tcp_ioc_abort_conn_t)

_Static_assert(sizeof(tcp_ioc_abort_conn_t) == 524 ||
    sizeof(tcp_ioc_abort_conn_t) == 528, "another tcp_ioc_abort_conn_t");
TD_SAME(TD_SUN_ABORT_CONN, TCP_IOC_ABORT_CONN);
TD_SAME(TD_SUN_AF_INET6, AF_INET6);
TD_SAME(TD_SUN_STORAGE, sizeof(struct sockaddr_storage));
TD_SAME(TD_SUN_GLOBAL_ZONE, GLOBAL_ZONEID);
TD_SAME(TD_SUN_ALL_ZONES, ALL_ZONES);
TD_SAME(TD_SUN_SYN_SENT, TCPS_SYN_SENT);
TD_SAME(TD_SUN_TIME_WAIT, TCPS_TIME_WAIT);
TD_AT(TD_SUN_PORT, struct sockaddr_in6, sin6_port);
TD_AT(TD_SUN_ADDR, struct sockaddr_in6, sin6_addr);
TD_AT(TD_SUN_STORAGE, tcp_ioc_abort_conn_t, ac_remote);
TD_AT(TD_SUN_START, tcp_ioc_abort_conn_t, ac_start);
TD_AT(TD_SUN_END, tcp_ioc_abort_conn_t, ac_end);
TD_AT(TD_SUN_ZONE, tcp_ioc_abort_conn_t, ac_zoneid);

TD_SAME(TD_T_SVR4_OPTMGMT_REQ, T_SVR4_OPTMGMT_REQ);
TD_SAME(TD_T_ERROR_ACK, T_ERROR_ACK);
TD_SAME(TD_T_OPTMGMT_ACK, T_OPTMGMT_ACK);
TD_SAME(TD_T_SUCCESS, T_SUCCESS);
TD_SAME(TD_T_CURRENT, T_CURRENT);
TD_SAME(TD_TACCES, TACCES);
TD_SAME(TD_TSYSERR, TSYSERR);
TD_SAME(TD_MIB2_REQUEST, sizeof(struct T_optmgmt_req) + sizeof(struct opthdr));
TD_AT(12, struct T_optmgmt_ack, MGMT_flags);
TD_AT(8, struct T_error_ack, TLI_error);
TD_AT(12, struct T_error_ack, UNIX_error);
TD_SAME(TD_MIB2_TCP, MIB2_TCP);
TD_SAME(TD_MIB2_TCP6, MIB2_TCP6);
TD_SAME(TD_MIB2_TCP_CONN, MIB2_TCP_CONN);
TD_SAME(TD_MIB2_TCP6_CONN, MIB2_TCP6_CONN);
TD_AT(TD_TCP_ENTRY4, mib2_tcp_t, tcpConnTableSize);
TD_AT(TD_TCP_ENTRY6, mib2_tcp_t, tcp6ConnTableSize);
TD_AT(12, mib2_tcpConnEntry_t, tcpConnRemAddress);
TD_AT(44, mib2_tcp6ConnEntry_t, tcp6ConnState);
#if defined(EXPER_SOCK_INFO) /* illumos since 2019 */
TD_SAME(TD_EXPER_SOCK_INFO, EXPER_SOCK_INFO);
TD_SAME(TD_SOCK_INFO_SIZE, sizeof(mib2_socketInfoEntry_t));
TD_AT(TD_SOCK_INFO_INODE, mib2_socketInfoEntry_t, sie_inode);
TD_AT(TD_SOCK_INFO_FLAGS, mib2_socketInfoEntry_t, sie_flags);
#endif

#else /* the simulator: x86, and the processor's own pointers */

#define TD_SUN_ABORT_SIZE 524u
TD_SAME(0, offsetof(struct strbuf, maxlen));
TD_SAME(4, offsetof(struct strbuf, len));
TD_SAME(8, offsetof(struct strbuf, buf));
TD_SAME(8, offsetof(struct strioctl, ic_len));

#endif

TD_SAME(0x5308, I_STR);
TD_SAME(0x5302, I_PUSH);
TD_SAME(2, MOREDATA);
TD_SAME(TD_SUN_ZONE + 4, 2 * TD_SUN_STORAGE + 12);

/* Open a device close-on-exec: a descriptor or -errno, -ENODEV without it. */
int td_sun_open(const char *path, int flags);

/*
 * Walk the TCP tables of the caller's zone for what the query wants, in place
 * of what the rows were.  -EINTR: nothing was lost, walk again.  -ENOMEM too
 * when the kernel had no memory for all rows, several times in a row.
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
