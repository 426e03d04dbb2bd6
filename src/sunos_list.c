/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sunos_list.c - walking the TCP tables.  What is odd about this kernel:
 *
 * - There is no call that lists sockets.  One writes an option management
 *   request to a stream and reads the MIB's tables back, each a message of a
 *   control part that names it and a data part; a message without a data part
 *   ends them.  An empty table does have a data part, of no bytes.
 * - getmsg() overwrites its flags, and says by its result what is left: 0 the
 *   message was read whole, MOREDATA the data part waits.
 * - A refusal comes with high priority and may overtake tables.  After any
 *   error the stream holds unread replies: it is closed, never used again.
 * - Nobody needs a privilege for this.  /dev/ip would want one, /dev/tcp would
 *   add a row of its own; /dev/arp with modules pushed is netstat's way, and
 *   the only one that Solaris 10 knows.
 * - Buckets are locked one by one: a walk is no snapshot.
 * - A kernel short of memory leaves rows out and reports success.  Such a walk
 *   is done again, a little later each time, and in the end is an error.
 *
 * streamio(4I), putmsg(2), getmsg(2), mib2.h.
 */
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1 /* the inet headers need it in strict modes */
#endif
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sunos.h"

/* More messages than any kernel has tables: then it is not talking sense. */
enum { MAX_TABLES = 1000 };

/* Of a kernel that is short of memory, in a third of a second. */
enum { MAX_WALKS = 6, FIRST_PAUSE_MS = 10 };

struct buffer {
	char *data;
	size_t size;
	size_t room;
};

#ifndef O_CLOEXEC
#define O_CLOEXEC 0 /* Solaris 10: fcntl() below does it */
#endif

int
td_sun_errno(void)
{
	return errno == ENOMEM ? -EAGAIN : -errno;
}

int
td_sun_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	/* ENOENT would read as "no such connection". */
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : td_sun_errno();
	if (O_CLOEXEC == 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int
open_mib(int *fd, const char **step)
{
	static const char *const modules[] = {"tcp", "udp", "icmp"};
	char name[8];
	size_t i;
	int error;

	*step = "/dev/arp";
	*fd = td_sun_open("/dev/arp", O_RDWR);
	if (*fd < 0)
		return *fd;
	*step = "I_PUSH";
	for (i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		strcpy(name, modules[i]); /* ioctl() takes no const */
		if (ioctl(*fd, I_PUSH, name) < 0) {
			error = td_sun_errno();
			close(*fd);
			return error;
		}
	}
	return 0;
}

static int
send_request(int fd, const char **step)
{
	uint32_t request[TD_MIB2_REQUEST / 4]; /* the kernel wants it aligned */
	struct strbuf control;

	td_mib2_put_request(request);
	control.maxlen = (int)sizeof(request);
	control.len = (int)sizeof(request);
	control.buf = (char *)request;
	*step = "putmsg";
	return putmsg(fd, &control, NULL, 0) < 0 ? td_sun_errno() : 0;
}

/* The control part of the next reply: TD_MIB2_TABLE, TD_MIB2_END or -errno. */
static int
read_control(int fd, struct td_mib2_reply *reply, const char **step)
{
	uint32_t buf[64];
	struct strbuf control;
	int flags = 0, result, error;

	control.maxlen = (int)sizeof(buf);
	control.len = 0;
	control.buf = (char *)buf;
	*step = "getmsg";
	result = getmsg(fd, &control, NULL, &flags);
	if (result < 0)
		return td_sun_errno();
	*step = "MIB2 reply";
	if (control.len < 0 || (size_t)control.len > sizeof(buf))
		return -EPROTO;
	error = td_mib2_get_reply(buf, (size_t)control.len,
	    result == MOREDATA, reply);
	/* A refusal may come in any shape; a table has only one. */
	if (error >= 0 && result != 0 && result != MOREDATA)
		return -EPROTO;
	return error == -ENOMEM ? -EAGAIN : error; /* the kernel's, not ours */
}

static int
grow(struct buffer *b, size_t room)
{
	char *data;

	if (room > TD_MIB2_TABLE_MAX)
		return -EMSGSIZE;
	if (room <= b->room)
		return 0;
	data = realloc(b->data, room);
	if (data == NULL)
		return -ENOMEM;
	b->data = data;
	b->room = room;
	return 0;
}

/* The data part: `expected` bytes, though what comes is what counts. */
static int
read_data(int fd, size_t expected, struct buffer *b, const char **step)
{
	struct strbuf data;
	int flags, result, error;

	*step = "table";
	b->size = 0;
	error = grow(b, expected < 1024 ? 1024 : expected);
	while (error == 0) {
		data.maxlen = (int)(b->room - b->size);
		data.len = 0;
		data.buf = b->data + b->size;
		flags = 0;
		*step = "getmsg";
		result = getmsg(fd, NULL, &data, &flags);
		if (result < 0)
			return td_sun_errno();
		*step = "table";
		if (data.len > data.maxlen || (result & ~MOREDATA) != 0)
			return -EPROTO;
		b->size += data.len > 0 ? (size_t)data.len : 0;
		if (result == 0)
			return 0;
		if (data.len <= 0)
			return -EPROTO; /* more to come, and nothing comes */
		if (b->size == b->room)
			error = grow(b, 2 * b->room);
	}
	return error;
}

static int
read_tables(int fd, struct td_mib2 *walk, const char **step)
{
	struct buffer b = {NULL, 0, 0};
	struct td_mib2_reply reply = {.len = 0};
	int error = 0, n;

	for (n = 0; n < MAX_TABLES; n++) {
		error = read_control(fd, &reply, step);
		if (error != TD_MIB2_TABLE)
			break;
		error = read_data(fd, reply.len, &b, step);
		if (error == 0)
			error = td_mib2_take(walk, &reply, b.data, b.size);
		if (error != 0)
			break;
	}
	free(b.data);
	if (n == MAX_TABLES)
		return -EPROTO;
	return error == TD_MIB2_END ? 0 : error;
}

/* One walk; 1 when the kernel had no memory for all of it. */
static int
walk_once(const struct td_query *query, struct td_rows *rows,
    const char **step)
{
	struct td_mib2 walk;
	int fd, error;

	memset(&walk, 0, sizeof(walk));
	walk.rows = rows;
	rows->count = 0;
	error = open_mib(&fd, step);
	if (error != 0)
		return error;
	error = send_request(fd, step);
	if (error == 0)
		error = read_tables(fd, &walk, step);
	close(fd);
	if (error == 0 && td_mib2_finish(&walk, query) == -ENOMEM) {
		*step = walk.seen ? "MIB2 tables, rows missing" : "MIB2 tables";
		error = 1;
	}
	return error;
}

int
td_sun_walk(const struct td_query *query, struct td_rows *rows,
    const char **step)
{
	int pause = FIRST_PAUSE_MS, n, error;

	for (n = 1; (error = walk_once(query, rows, step)) > 0; n++) {
		if (n == MAX_WALKS)
			return -EAGAIN;
		if (poll(NULL, 0, pause) < 0)
			return -errno;
		pause *= 2;
	}
	return error;
}

int
td_list(const struct td_query *query, struct td_rows *rows, const char **step)
{
	int error;

	*step = "program";
	if (query->program_size != 0)
		return -ENOTSUP; /* there is no such thing here: filter the rows */
	*step = "zone";
	if (query->scope != TD_OWN_SCOPE && query->scope != TD_SUN_GLOBAL_ZONE)
		return -ENOTSUP; /* the kernel shows the caller's zone only */
	error = td_sun_walk(query, rows, step);
	if (error == 0)
		td_rows_trim(rows);
	return error;
}
