/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos_abi.c - our numbers held against the system's headers: assertions and
 * nothing else, so it is compiled and not linked.  setup.py does that first on
 * SunOS; where it fails the module is built all the same, lists and checks,
 * and will not drop (TD_SUN_ABI_DIFFERS), for an abort that is laid out
 * wrongly could name another connection.
 *
 * Elsewhere there are no such headers, and only <stropts.h> is asserted, which
 * is the simulator's (tests/sim/include).
 */
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1 /* the inet headers need it in strict modes */
#endif
#define NEW_MIB_COMPLIANT 1 /* Solaris 10 shows creators only so */
#include <stddef.h>

#include "sunos.h"

#define TD_SAME(ours, theirs) \
	_Static_assert((long)(ours) == (long)(theirs), #ours " is not " #theirs)

#ifdef __GNUC__ /* offsetof() of older headers is no constant to clang */
#define TD_OFFSET(type, field) __builtin_offsetof(type, field)
#else
#define TD_OFFSET(type, field) offsetof(type, field)
#endif
#define TD_AT(ours, type, field) TD_SAME(ours, TD_OFFSET(type, field))

TD_SAME(0x5308, I_STR);
TD_SAME(0x5302, I_PUSH);
TD_SAME(1, MORECTL);
TD_SAME(2, MOREDATA);
TD_AT(0, struct strbuf, maxlen);
TD_AT(4, struct strbuf, len);
TD_AT(8, struct strbuf, buf);
TD_AT(0, struct strioctl, ic_cmd);
TD_AT(4, struct strioctl, ic_timout);
TD_AT(8, struct strioctl, ic_len);
TD_SAME(TD_SUN_ZONE + 4, 2 * TD_SUN_STORAGE + 12);

#if defined(__sun)

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/tihdr.h>
#include <sys/zone.h>
#include <inet/mib2.h>
#include <inet/tcp.h>

/* ---- the request of an abort -------------------------------------------- */

TD_SAME(TD_SUN_ABORT_CONN, TCP_IOC_ABORT_CONN);
TD_SAME(TD_SUN_ABORT_SIZE, sizeof(tcp_ioc_abort_conn_t));
TD_SAME(TD_SUN_AF_INET6, AF_INET6);
TD_SAME(TD_SUN_STORAGE, sizeof(struct sockaddr_storage));
TD_SAME(TD_SUN_GLOBAL_ZONE, GLOBAL_ZONEID);
#if defined(ALL_ZONES) /* not in the first headers of Solaris 10 */
TD_SAME(TD_SUN_ALL_ZONES, ALL_ZONES);
#endif
TD_SAME(TD_SUN_SYN_SENT, TCPS_SYN_SENT);
TD_SAME(TD_SUN_TIME_WAIT, TCPS_TIME_WAIT);
TD_AT(TD_SUN_PORT, struct sockaddr_in6, sin6_port);
TD_AT(TD_SUN_ADDR, struct sockaddr_in6, sin6_addr);
TD_AT(0, tcp_ioc_abort_conn_t, ac_local);
TD_AT(TD_SUN_STORAGE, tcp_ioc_abort_conn_t, ac_remote);
TD_AT(TD_SUN_START, tcp_ioc_abort_conn_t, ac_start);
TD_AT(TD_SUN_END, tcp_ioc_abort_conn_t, ac_end);
TD_AT(TD_SUN_ZONE, tcp_ioc_abort_conn_t, ac_zoneid);

/* ---- the walk: messages ------------------------------------------------- */

TD_SAME(TD_T_SVR4_OPTMGMT_REQ, T_SVR4_OPTMGMT_REQ);
TD_SAME(TD_T_ERROR_ACK, T_ERROR_ACK);
TD_SAME(TD_T_OPTMGMT_ACK, T_OPTMGMT_ACK);
TD_SAME(TD_T_SUCCESS, T_SUCCESS);
TD_SAME(TD_T_CURRENT, T_CURRENT);
TD_SAME(TD_TACCES, TACCES);
TD_SAME(TD_TSYSERR, TSYSERR);
TD_SAME(TD_MIB2_REQUEST, sizeof(struct T_optmgmt_req) + sizeof(struct opthdr));
TD_AT(4, struct T_optmgmt_req, OPT_length);
TD_AT(8, struct T_optmgmt_req, OPT_offset);
TD_AT(12, struct T_optmgmt_req, MGMT_flags);
TD_AT(12, struct T_optmgmt_ack, MGMT_flags);
TD_AT(0, struct opthdr, level);
TD_AT(4, struct opthdr, name);
TD_AT(8, struct opthdr, len);
TD_AT(8, struct T_error_ack, TLI_error);
TD_AT(12, struct T_error_ack, UNIX_error);

/* ---- the walk: tables --------------------------------------------------- */

TD_SAME(TD_MIB2_TCP, MIB2_TCP);
TD_SAME(TD_MIB2_TCP6, MIB2_TCP6);
TD_SAME(TD_MIB2_TCP_CONN, MIB2_TCP_CONN);
TD_SAME(TD_MIB2_TCP6_CONN, MIB2_TCP6_CONN);
TD_AT(TD_TCP_ESTABLISHED, mib2_tcp_t, tcpCurrEstab);
TD_AT(TD_TCP_ENTRY4, mib2_tcp_t, tcpConnTableSize);
TD_AT(TD_TCP_ENTRY6, mib2_tcp_t, tcp6ConnTableSize);
TD_SAME(TD_MIB2_ESTABLISHED, MIB2_TCP_established);
TD_SAME(TD_MIB2_CLOSE_WAIT, MIB2_TCP_closeWait);

#define TD_STATE_SAME(mib, mib_number, tcps, tcps_number, ours) \
	TD_SAME(mib_number, MIB2_TCP_##mib); \
	TD_SAME(tcps_number, TCPS_##tcps);
TD_MIB2_STATES(TD_STATE_SAME)

TD_AT(TD_ENTRY4_STATE, mib2_tcpConnEntry_t, tcpConnState);
TD_AT(TD_ENTRY4_LADDR, mib2_tcpConnEntry_t, tcpConnLocalAddress);
TD_AT(TD_ENTRY4_LPORT, mib2_tcpConnEntry_t, tcpConnLocalPort);
TD_AT(TD_ENTRY4_RADDR, mib2_tcpConnEntry_t, tcpConnRemAddress);
TD_AT(TD_ENTRY4_RPORT, mib2_tcpConnEntry_t, tcpConnRemPort);
TD_AT(TD_ENTRY6_LADDR, mib2_tcp6ConnEntry_t, tcp6ConnLocalAddress);
TD_AT(TD_ENTRY6_LPORT, mib2_tcp6ConnEntry_t, tcp6ConnLocalPort);
TD_AT(TD_ENTRY6_RADDR, mib2_tcp6ConnEntry_t, tcp6ConnRemAddress);
TD_AT(TD_ENTRY6_RPORT, mib2_tcp6ConnEntry_t, tcp6ConnRemPort);
TD_AT(TD_ENTRY6_IFINDEX, mib2_tcp6ConnEntry_t, tcp6ConnIfIndex);
TD_AT(TD_ENTRY6_STATE, mib2_tcp6ConnEntry_t, tcp6ConnState);

/* The rest of this system's entries is one of the layouts that we know. */
#if defined(MIB2_UNKNOWN_PROCESS) /* since 2006 */
#define TD_CREATED4(pid, created) \
	(pid) == TD_OFFSET(mib2_tcpConnEntry_t, tcpConnCreationProcess) && \
	(created) == TD_OFFSET(mib2_tcpConnEntry_t, tcpConnCreationTime)
#define TD_CREATED6(pid, created) \
	(pid) == TD_OFFSET(mib2_tcp6ConnEntry_t, tcp6ConnCreationProcess) && \
	(created) == TD_OFFSET(mib2_tcp6ConnEntry_t, tcp6ConnCreationTime)
#else
#define TD_CREATED4(pid, created) (pid) == 0 && (created) == 0
#define TD_CREATED6(pid, created) (pid) == 0 && (created) == 0
#endif
#if defined(EXPER_SOCK_INFO) /* 2019, and with it the counters */
#define TD_COUNTERS4(counters) \
	(counters) == TD_OFFSET(mib2_tcpConnEntry_t, \
	    tcpConnEntryInfo.ce_in_data_inorder_bytes)
#define TD_COUNTERS6(counters) \
	(counters) == TD_OFFSET(mib2_tcp6ConnEntry_t, \
	    tcp6ConnEntryInfo.ce_in_data_inorder_bytes)
#else
#define TD_COUNTERS4(counters) 1
#define TD_COUNTERS6(counters) 1
#endif
#define TD_IS(type, info, snxt, suna, rnxt, rack, state) \
	(snxt) == TD_OFFSET(type, info.ce_snxt) && \
	(suna) == TD_OFFSET(type, info.ce_suna) && \
	(rnxt) == TD_OFFSET(type, info.ce_rnxt) && \
	(rack) == TD_OFFSET(type, info.ce_rack) && \
	(state) == TD_OFFSET(type, info.ce_state)
#define TD_OR_IS4(size, counters, snxt, suna, rnxt, rack, state, pid, created) \
	|| ((size) == sizeof(mib2_tcpConnEntry_t) && TD_COUNTERS4(counters) && \
	    TD_IS(mib2_tcpConnEntry_t, tcpConnEntryInfo, snxt, suna, rnxt, \
		rack, state) && \
	    TD_CREATED4(pid, created))
#define TD_OR_IS6(size, counters, snxt, suna, rnxt, rack, state, pid, created) \
	|| ((size) == sizeof(mib2_tcp6ConnEntry_t) && TD_COUNTERS6(counters) && \
	    TD_IS(mib2_tcp6ConnEntry_t, tcp6ConnEntryInfo, snxt, suna, rnxt, \
		rack, state) && \
	    TD_CREATED6(pid, created))
_Static_assert(0 TD_MIB2_LAYOUTS4(TD_OR_IS4), "another mib2_tcpConnEntry_t");
_Static_assert(0 TD_MIB2_LAYOUTS6(TD_OR_IS6), "another mib2_tcp6ConnEntry_t");

#if defined(EXPER_SOCK_INFO)
TD_SAME(TD_EXPER_SOCK_INFO, EXPER_SOCK_INFO);
TD_SAME(TD_SOCK_INFO_SIZE, sizeof(mib2_socketInfoEntry_t));
TD_AT(0, mib2_socketInfoEntry_t, sie_connidx);
TD_AT(TD_SOCK_INFO_INODE, mib2_socketInfoEntry_t, sie_inode);
TD_AT(TD_SOCK_INFO_FLAGS, mib2_socketInfoEntry_t, sie_flags);
TD_SAME(TD_SOCK_INFO_STREAM, MIB2_SOCKINFO_STREAM);
TD_SAME(TD_SOCK_INFO_IPV6, MIB2_SOCKINFO_IPV6);
#endif

#endif
