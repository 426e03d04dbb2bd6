/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - a model of the part of the illumos kernel that tcpdrop talks to, so
 * that src/sunos*.c run on a system without STREAMS.  Built from facts about
 * that kernel, not from its code.  Its own test is tests/c/test_sim_vectors.c:
 * vectors that the real kernel's routines were run through.
 *
 *   sim_kernel.c   connections, matching, the queue of deaths
 *   sim_tables.c   MIB tables for every size of entry
 *   sim_lies.c     and every way of getting them wrong, on request
 *   sim_streams.c  open, close, ioctl, putmsg, getmsg
 *   sim_host.c     optional, with sim_creator.c and sim_killer.c: the population
 *                  is this Linux host's own sockets, and deaths are real
 *
 * There is one simulator in a process, behind one lock.
 */
#ifndef SIM_H
#define SIM_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's inner states. */
enum {
	SIM_CLOSED = -6,
	SIM_IDLE,
	SIM_BOUND,
	SIM_LISTEN,
	SIM_SYN_SENT,
	SIM_SYN_RCVD,
	SIM_ESTABLISHED,
	SIM_CLOSE_WAIT,
	SIM_FIN_WAIT_1,
	SIM_CLOSING,
	SIM_LAST_ACK,
	SIM_FIN_WAIT_2,
	SIM_TIME_WAIT
};

/* errno values of that kernel that differ from Linux's. */
enum { SIM_ECONNRESET = 131, SIM_ECONNREFUSED = 146 };

enum { SIM_BUCKETS = 64 };

struct sim_conn {
	uint8_t laddr[16]; /* IPv4 is v4-mapped */
	uint8_t raddr[16];
	uint16_t lport; /* host order */
	uint16_t rport;
	int state;
	int zone;
	int bucket;	/* 0 to SIM_BUCKETS - 1; -1: by hash */
	int v6_socket;	/* an AF_INET6 socket, whatever it carries */
	int v6_only;
	uint32_t pid;	/* creator */
	uint64_t created;
	uint32_t ifindex;
	uint64_t inode;	/* 0: no entry in table 106 */
	int stream;	/* a TLI endpoint */
	uint32_t recvq, sendq;
	uint64_t bytes_in, bytes_out, retrans;
	int linger;	/* its descriptor stays open after death: a closed row */
	uint16_t reconnects; /* ... and is connected at once, from this port */
	uint64_t host;	/* sim_host.c: identity on the host */

	/* What became of it. */
	int dead; /* how often */
	int error; /* delivered to its owner, illumos number */
	struct sim_conn *next; /* in its bucket */
};

/* What the kernel does wrong, or differently. */
enum sim_fault {
	SIM_NO_FAULT,
	SIM_ERROR_TSYSERR,   /* T_ERROR_ACK with sim.fault_errno */
	SIM_ERROR_TLI,	     /* T_ERROR_ACK, TBADFLAG, UNIX_error 0 */
	SIM_ERROR_TACCES,
	SIM_ERROR_LATE,	     /* overtakes tables already queued */
	SIM_END_ONLY,	     /* no tables: the kernel had no memory */
	SIM_NO_SIZES,	     /* tables, but no (262,0) */
	SIM_SHORT_SIZES,     /* (262,0) cut off */
	SIM_ODD_LENGTH,	     /* one byte too many in (262,13) */
	SIM_SHORT_DATA,	     /* len promises more than the data part has */
	SIM_LONG_DATA,	     /* and the reverse */
	SIM_HUGE_LENGTH,     /* len 4 GiB */
	SIM_SMALL_ENTRY,     /* the entry size is smaller than the prefix */
	SIM_ZERO_ENTRY,
	SIM_EXTRA_TABLES,    /* unknown ones before, between and after */
	SIM_INFO_RANGE,	     /* 106 names a row that does not exist */
	SIM_INFO_OLD,	     /* 106 as OmniOS had it before its release */
	SIM_TWICE,	     /* (262,13) twice */
	SIM_SHORT_CONTROL,
	SIM_BAD_PRIMITIVE,
	SIM_NOT_SUCCESS,
	SIM_MORE_CONTROL,    /* getmsg answers MORECTL */
	SIM_NO_DATA_PART,    /* a table's name, but no table, and len not 0 */
	SIM_ENDLESS,	     /* no end marker, ever */
	SIM_FAULTS
};

struct sim {
	/* The caller. */
	int privileged;
	int zone;
	int exclusive; /* an exclusive-IP stack */

	/* The kernel. */
	uint32_t entry4, entry6; /* sizes of a connection entry */
	int sock_info;	    /* it has table 106 */
	int everything;     /* ... and answers 262 with the IP tables too */
	long memory;	    /* messages left to allocate; -1: plenty */
	long drain_every;   /* the queue is run at so many messages; 0: never */
	size_t chunk;	    /* a data getmsg returns at most this; 0: all */
	unsigned loses;	    /* of so many rows it has no memory for one, at random */
	unsigned loses_info; /* and of so many entries of table 106 */
	long short_walks;   /* ... for so many walks; -1: for ever */

	/* Faults. */
	enum sim_fault fault;
	int fault_errno;
	int open_errno, push_errno, putmsg_errno, abort_errno;
	long getmsg_eintr; /* the n-th getmsg from now is interrupted; 0: none */
	long putmsg_eintr;

	/* What was seen. */
	long descriptors; /* open now */
	void (*closed)(void); /* told of each descriptor that was */
	long opens, walks, requests, getmsgs;
	long logged;	/* "aborted N connection(s)" of the last request */
	long console;	/* lines on the system console */
	long queued;

	/* Called with every abort request's bytes. */
	void (*inspect)(const void *bytes, size_t size);
	/* sim_host.c: bring the population up to date, and kill for real. */
	void (*refresh)(int must);
	void (*kill)(struct sim_conn *conn);
};

extern struct sim sim;

/* Forget everything; the defaults are illumos since 2019 on x86, root. */
void sim_reset(void);

/* A new connection; the pointer is good until sim_reset(). */
struct sim_conn *sim_add(const struct sim_conn *conn);

/* An empty population and an empty queue; all else stays. */
void sim_forget_all(void);

/* Run the queue of deaths: at most n of them, or all (-1). */
void sim_drain(long n);

/* Bucket by bucket, the living. */
struct sim_conn *sim_first(void);
struct sim_conn *sim_next(const struct sim_conn *conn);

/* ---- between the files of the simulator --------------------------------- */

enum { SIM_ABORT_SIZE = 524 };

/* 0 or errno. */
int sim_abort(const void *bytes, size_t size);

struct sim_message {
	unsigned char control[64];
	size_t control_size, control_read;
	unsigned char *data; /* NULL: no data part */
	size_t data_size, data_read;
	int urgent;
	struct sim_message *next;
};

/* The answer to a request for `level`; NULL: out of memory. */
struct sim_message *sim_tables(uint32_t level);
struct sim_message *sim_error_ack(uint32_t tli_error, uint32_t unix_error);
void sim_free_message(struct sim_message *message);

/* Make a good answer wrong, as sim.fault says. */
void sim_spoil(struct sim_message *chain);

void sim_lock(void);
void sim_unlock(void);

#endif
