/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_process.c - what protects an operator's session, read from one of his
 * processes: its parent, the sockets it holds and a variable of its
 * environment.  What is odd about this kernel:
 *
 * - A descriptor is known to be a socket only by the text of its link in
 *   /proc/PID/fd.  Following the link, or borrowing the descriptor to look at
 *   it, would touch the file behind it, and that may hang, as on NFS.
 * - Descriptors of another user's process may be counted and not read, so a
 *   first link is tried before hundreds are listed.
 * - Each thread may have a table of descriptors of its own (unshare(2),
 *   CLONE_FILES), and /proc/PID/fd shows the first thread's alone, which is
 *   empty once that has ended.  kcmp(2) tells whether two tables are one.
 *
 * proc(5), proc_pid_fd(5), proc_pid_stat(5), proc_pid_environ(5).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kcmp.h>

/* What getdents64() fills its buffer with; glibc 2.30 has a name for it. */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

static int
open_in(int directory, const char *name, int flags)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

/* The parent's pid, 0 for none that can be seen, or -errno. */
static int
read_parent(int process)
{
	char text[1024], *behind;
	int fd = open_in(process, "stat", 0), error = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		error = -errno;
	close(fd);
	if (error != 0)
		return error;
	text[n] = '\0';
	/* ") S 812 ...": the command's name stands in parentheses and may contain any byte. */
	behind = strrchr(text, ')');
	return behind == NULL || strlen(behind) < 5 ? -EPROTO : atoi(behind + 4);
}

static int
add_socket(struct td_process *p, uint64_t inode, uint64_t fd)
{
	struct td_socket *more;

	if ((p->count & (p->count - 1)) == 0) { /* 0 or a power of two: full */
		more = realloc(p->sockets,
		    (p->count != 0 ? 2 * p->count : 1) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		p->sockets = more;
	}
	p->sockets[p->count++] = (struct td_socket){inode, fd};
	return 0;
}

/* All of a file of /proc, which has no size, with a NUL in front and behind. */
static int
read_all(int fd, char **text, size_t *size)
{
	size_t room = 16384, got = 1;
	char *more;
	ssize_t n;

	*text = malloc(room);
	for (;;) {
		if (*text == NULL)
			return -ENOMEM;
		(*text)[0] = '\0';
		n = read(fd, *text + got, room - got - 1);
		if (n < 0)
			return -errno;
		got += (size_t)n;
		(*text)[got] = '\0';
		*size = got;
		if (n == 0)
			return 0;
		if (room - got > 1)
			continue;
		more = realloc(*text, 2 * room);
		if (more == NULL)
			return -ENOMEM;
		*text = more;
		room *= 2;
	}
}

/*
 * The sockets that are registered with an io_uring.  Who is using it keeps the
 * kernel from telling any, and before 5.12 it names none: that is an error, and
 * never none.
 */
static int
take_ring(int directory, const char *name, struct td_process *p)
{
	static const char socket[] = ": socket:[";
	char path[32], *text = NULL, *at;
	size_t size;
	int fd, error;

	(void)snprintf(path, sizeof(path), "../fdinfo/%.10s", name);
	fd = open_in(directory, path, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd; /* closed meanwhile */
	error = read_all(fd, &text, &size);
	close(fd);
	if (error == 0 && (strstr(text + 1, "\nUserFiles:") == NULL ||
			      strstr(text + 1, ": TCP") != NULL))
		error = -EAGAIN;
	for (at = text; error == 0 && (at = strstr(at + 1, socket)) != NULL;)
		error = add_socket(p,
		    strtoull(at + strlen(socket), NULL, 10), TD_NO_DESCRIPTOR);
	free(text);
	return error;
}

static int
take_link(int directory, const char *name, struct td_process *p, int tid)
{
	static const char socket[] = "socket:[";
	char text[64];
	ssize_t n = readlinkat(directory, name, text, sizeof(text) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno; /* closed meanwhile */
	text[n] = '\0';
	if (strcmp(text, "anon_inode:[io_uring]") == 0)
		return take_ring(directory, name, p);
	if (strncmp(text, socket, strlen(socket)) != 0)
		return 0;
	/* A number in another thread's table is none that can be borrowed. */
	return add_socket(p, strtoull(text + strlen(socket), NULL, 10),
	    tid != 0 ? TD_NO_DESCRIPTOR : strtoull(name, NULL, 10));
}

/* Call for each name in a directory, until an error. */
static int
each_name(int directory, int (*take)(int, const char *, void *), void *arg)
{
	char buf[8192] __attribute__((aligned(8)));
	int error = 0;

	while (error == 0) {
		long n = syscall(SYS_getdents64, directory, buf, sizeof(buf)), at;
		const struct entry *e;

		if (n < 0)
			return errno == ENOENT || errno == ESRCH ? 0 : -errno;
		if (n == 0)
			break;
		for (at = 0; at < n && error == 0; at += e->size) {
			e = (const void *)(buf + at);
			if (e->name[0] != '.')
				error = take(directory, e->name, arg);
		}
	}
	return error;
}

struct table {
	struct td_process *process;
	int tid; /* of another thread than the first, else 0 */
};

static int
take_name(int directory, const char *name, void *arg)
{
	struct table *t = arg;

	if (strcmp(name, "0") == 0)
		return 0;
	return take_link(directory, name, t->process, t->tid);
}

static int
read_table(int process, const char *path, struct table *t)
{
	int directory = open_in(process, path, O_DIRECTORY), error;

	if (directory < 0)
		return t->tid != 0 && directory == -ENOENT ? 0 : directory;
	error = take_link(directory, "0", t->process, t->tid);
	if (error == 0)
		error = each_name(directory, take_name, t);
	close(directory);
	return error;
}

struct tables {
	int pid;
	int *tids;
	size_t count;
};

/* Note a thread whose table is not the first thread's, or may not be. */
static int
take_thread(int directory, const char *name, void *arg)
{
	struct tables *t = arg;
	int tid = atoi(name), *more;

	(void)directory;
	if (tid <= 0 || tid == t->pid ||
	    syscall(SYS_kcmp, t->pid, tid, KCMP_FILES, 0, 0) == 0)
		return 0;
	if ((t->count & (t->count - 1)) == 0) {
		more = realloc(t->tids,
		    (t->count != 0 ? 2 * t->count : 1) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		t->tids = more;
	}
	t->tids[t->count++] = tid;
	return 0;
}

static int
find_tables(int process, struct tables *t)
{
	struct stat status;
	int directory, error;

	/* Two links of its own, and one for each thread: most have one only. */
	if (fstatat(process, "task", &status, 0) == 0 && status.st_nlink == 3)
		return 0;
	directory = open_in(process, "task", O_DIRECTORY);
	if (directory < 0)
		return directory == -ENOENT || directory == -ESRCH ? 0 : directory;
	error = each_name(directory, take_thread, t);
	close(directory);
	return error;
}

int
td_thread_tables(int pid, int **tids, size_t *n, const char **step)
{
	struct tables t = {.pid = pid};
	char path[32];
	int process, error;

	*step = "/proc";
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return -errno;
	error = find_tables(process, &t);
	close(process);
	*tids = t.tids;
	*n = t.count;
	return error;
}

static int
read_sockets(int process, int pid, struct td_process *p)
{
	struct table t = {.process = p};
	struct tables others = {.pid = pid};
	char path[32];
	size_t i;
	int error = read_table(process, "fd", &t);

	if (error == 0)
		error = find_tables(process, &others);
	for (i = 0; i < others.count && error == 0; i++) {
		t.tid = others.tids[i];
		(void)snprintf(path, sizeof(path), "task/%d/fd", t.tid);
		error = read_table(process, path, &t);
	}
	free(others.tids);
	return error;
}

static int
read_variable(int process, const char *name, struct td_process *p)
{
	int fd = open_in(process, "environ", 0), error;
	size_t size = 0, length = strlen(name);
	char *text = NULL, *at;

	if (fd < 0)
		return fd;
	error = read_all(fd, &text, &size);
	close(fd);
	for (at = text; error == 0 && at < text + size; at += strlen(at) + 1)
		if (strncmp(at, name, length) == 0 && at[length] == '=') {
			p->value = strdup(at + length + 1);
			if (p->value == NULL)
				error = -ENOMEM;
			break;
		}
	free(text);
	return error;
}

int
td_process(int pid, const char *variable, struct td_process *p,
    const char **step)
{
	char path[32];
	int process;

	memset(p, 0, sizeof(*p));
	*step = "/proc";
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return -errno;
	p->parent = read_parent(process);
	p->sockets_error = read_sockets(process, pid, p);
	p->value_error = read_variable(process, variable, p);
	close(process);
	return 0;
}

void
td_process_free(struct td_process *p)
{
	free(p->sockets);
	free(p->value);
}
