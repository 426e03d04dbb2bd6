/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.h - what an operating system must do for us.  No Python here.
 *
 * The rules, for every function below:
 *
 * - It returns 0 or -errno; the value of errno itself means nothing to the
 *   caller.  On failure *step names the call that failed, a static string.
 * - It opens what it needs, close-on-exec, and closes it, but for what a
 *   td_conversation keeps: there is no other state, nothing that changes is
 *   static, and many threads may call at once.
 * - It prints nothing, exits nowhere, handles no signal and knows no Python.
 * - EINTR ends td_list(): repeating a walk is free.  An abort is never
 *   repeated blindly, for the first try may have worked.
 *
 * What an abort must refuse, on every system: a wildcard of any kind and a
 * tuple of two families are -EINVAL (td_tuple_check() says so before anything
 * is opened), and a socket in LISTEN is never touched.  One named socket dies,
 * or the answer is an error:
 *
 *   -ENOENT      no such connection, or it has another cookie by now
 *   -EPERM       it exists and the caller may not
 *   -EOPNOTSUPP  this kernel cannot
 */
#ifndef TD_BACKEND_H
#define TD_BACKEND_H

#include <limits.h>

#include "rows.h"

/* The name of the system behind this file: "linux", "sunos", "unsupported". */
extern const char td_backend[];

/*
 * Where to look: on Linux the descriptor of a network namespace, on illumos a
 * zone id.  TD_OWN_SCOPE is where the caller is.
 */
#define TD_OWN_SCOPE INT_MIN

struct td_tuple {
	uint8_t family; /* 4 or 6 */
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint16_t lport; /* host order */
	uint16_t rport;
	uint32_t ifindex; /* 0: a socket bound to no interface */
	uint64_t cookie;  /* 0: whichever socket has this tuple now */
};

/* td_query.details */
#define TD_DETAIL_INFO 1u    /* tcp_info and the congestion control's name */
#define TD_DETAIL_OPENERS 2u /* and who opened what has data under way: more questions */

/*
 * Exact requests, one after another.  The first leaves open what the next can
 * use, and who made the conversation closes it; after an error nothing is left
 * open, for answers may be under way.  One thread at a time.
 */
struct td_conversation {
	int scope;
	int fd; /* -1: nothing is open */
	int owner; /* the process that has opened it */
	uint32_t seq; /* the number of the last request: each has its own */
};

struct td_query {
	uint32_t states;     /* mask of 1 << TD_STATE_* */
	uint16_t sport;	     /* 0: any */
	uint16_t dport;	     /* 0: any; otherwise listeners are left out */
	const void *program; /* Linux: inet_diag bytecode; elsewhere -ENOTSUP */
	size_t program_size;
	uint32_t details;
	int threads; /* 0: as many as are worth it */
	int scope;
};

struct td_interface {
	uint32_t index;
	char name[128];
};

/* Every socket that the query wants, each once.  rows->stride is set. */
int td_list(const struct td_query *query, struct td_rows *rows,
    const char **step);

/* The one connection of this tuple, never a listener. */
int td_lookup(const struct td_tuple *tuple, int scope, struct td_row *row,
    const char **step);

/*
 * The connections of these tuples, each once: what td_lookup() finds of each
 * with each of these interfaces, 0 for none.  More than one of a tuple only
 * where a socket is bound to an interface.
 */
int td_lookup_each(const struct td_tuple *tuples, size_t n,
    const uint32_t *ifindices, size_t n_ifindices,
    struct td_conversation *c, struct td_rows *rows, const char **step);

/* Abort the one connection of this tuple (and cookie). */
int td_abort(const struct td_tuple *tuple, struct td_conversation *c,
    const char **step);

/*
 * Abort through a descriptor of the socket itself, which needs no privilege,
 * after checking that it is this tuple (and cookie).
 */
int td_abort_descriptor(int fd, const struct td_tuple *tuple,
    const char **step);

/*
 * The ends and the cookie of the connection behind another process's
 * descriptor; -ENOENT when that is no connected TCP socket, -ENOTSUP where
 * descriptors cannot be borrowed.
 */
int td_socket_of(int pid, int fd, struct td_row *row, const char **step);

/*
 * Has nobody the other end of the pipe with this inode that a process's
 * descriptor is?  -ENOENT when it is another file, -ENOTSUP where descriptors
 * cannot be borrowed.
 */
int td_pipe_is_cut(int pid, int fd, uint64_t inode, int *cut,
    const char **step);

struct td_socket {
	uint64_t inode;
	uint64_t fd; /* the process's descriptor of it */
};

/* One process, as far as it may be read: each part has its own -errno. */
struct td_process {
	int parent; /* pid, 0: none that can be seen, or -errno */
	int sockets_error;
	int value_error;
	struct td_socket *sockets;
	size_t count;
	char *value; /* of the variable it was started with; NULL: not there */
};

/*
 * What protects an operator's session, of one of the processes above us;
 * -ENOTSUP where /proc does not tell it.  td_process_free() afterwards.
 */
int td_process(int pid, const char *variable, struct td_process *process,
    const char **step);
void td_process_free(struct td_process *process);

/* The descriptor of a socket that only another thread's table has. */
#define TD_NO_DESCRIPTOR UINT64_MAX

/*
 * The threads of a process whose tables of descriptors are not its first
 * thread's, or may not be.  malloc()ed; -ENOTSUP where the system has none.
 */
int td_thread_tables(int pid, int **tids, size_t *n, const char **step);

/* What td_abort_held() found; one in repair (TCP_REPAIR) ends without a word. */
enum { TD_HELD_TCP, TD_HELD_MPTCP, TD_HELD_REPAIR };

/*
 * Abort the connection behind a descriptor of a process, our own included:
 * only the socket of this tuple and this cookie (or, where that is the TCP
 * subflow of an MPTCP connection, of this inode), never a listener.  dry_run:
 * all but the abort.  *kind is set to what it was.  Beside the answers
 * above, -ENOENT when the number means something else by now, -EBADF and
 * -ESRCH when it or the process is gone, -EPERM without the rights of
 * ptrace(2), -EBUSY from kernels that cannot while a thread waits in it, and
 * -EOPNOTSUPP for a further subflow, which cannot be ended alone.
 */
int td_abort_held(int pid, int fd, const struct td_tuple *tuple,
    uint64_t inode, int scope, int dry_run, int *kind, const char **step);

/*
 * The MPTCP sockets of a scope; nothing where there are none.  Their subflows
 * are listed as TCP, and ending those would not end the connection.
 */
int td_mptcp(int scope, struct td_rows *rows, const char **step);

struct td_unix {
	uint32_t inode;
	uint32_t peer;	/* the inode of the socket it is connected to */
	uint32_t named; /* 1: it has a name, as what a listener accepted */
};

/*
 * The connected UNIX sockets that were made in a scope, in memory that the
 * caller frees, also after an error; -ENOTSUP where their peers do not show.
 */
int td_unix_sockets(int scope, struct td_unix **all, size_t *n,
    const char **step);

/*
 * Abort rows[indices[i]] for each i < n by cookie; errors[i] is 0 or a
 * positive errno.  The result is negative only if nothing was begun.
 */
int td_abort_rows(const struct td_rows *rows, const uint32_t *indices,
    size_t n, int *errors, int scope, int threads, const char **step);

/*
 * The interfaces of a scope, in memory that the caller frees: each by its name,
 * and once more for each other name that it has.
 */
int td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step);

/* Their indices alone, in memory that the caller frees: much faster. */
int td_ifindices(int scope, uint32_t **list, size_t *n, const char **step);

/* Why a packet does not leave, or by which device it does. */
struct td_route {
	uint32_t error;	  /* errno: there is no way; 0: there is */
	uint32_t ifindex; /* the device it leaves by */
};

/*
 * The way out for each row: what the kernel's routing says of a packet from
 * its local to its remote end, asked with all that its rules may look at (the
 * device it is bound to, mark, uid, ports).  An unspecified local address is
 * one that is not looked at.
 */
int td_routes(const struct td_row *rows, size_t n, int scope,
    struct td_route *routes, const char **step);

/* td_rules: what the policy rules of a scope look at, beside the destination. */
#define TD_RULE_SOURCE 1u
#define TD_RULE_MARK   2u
#define TD_RULE_UID    4u
#define TD_RULE_PORTS  8u
#define TD_RULE_OTHER  16u /* what no row shows: the type of service, say */

int td_rules(int scope, uint32_t *ipv4, uint32_t *ipv6, const char **step);

#define TD_LINK_UP       1u /* switched on, and there is a carrier */
#define TD_LINK_LOOPBACK 2u /* what it sends comes to this host itself */

struct td_link {
	uint32_t error; /* errno: no such device */
	uint32_t flags; /* TD_LINK_* */
	uint32_t master; /* the bridge, bond or VRF that it is a port of; 0: none */
};

int td_links(const uint32_t *ifindices, size_t n, int scope,
    struct td_link *links, const char **step);

/* Can this kernel abort?  Asks for a socket that cannot exist. */
int td_probe(int scope, const char **step);

/* The same on every system: src/tuple.c. */
int td_tuple_check(const struct td_tuple *tuple, const char **why);
int td_is_mapped(const uint8_t addr[16]);
/* Do both name the same ends?  v4-mapped and plain IPv4 are equal. */
int td_same_ends(const struct td_tuple *tuple, const struct td_row *row);

#endif
