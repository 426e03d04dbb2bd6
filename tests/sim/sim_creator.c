/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_creator.c - who created a socket: the process first seen to hold it.  It
 * is remembered, for on illumos a creator never changes, and it is a part of
 * the identity there.  /proc is looked through only for a socket not met yet.
 */
#define _GNU_SOURCE
#include "sim_host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct holder {
	struct sim_holder is;
	int looked; /* and not found: not again */
};

/* Open addressing, half full at most; key 0 is free. */
struct map {
	struct {
		uint64_t key;
		struct holder value;
	} *slots;
	size_t size, used;
};

static struct map holders;  /* inode -> holder, of one look */
static struct map creators; /* cookie -> holder, for good */
static int looked;	    /* since sim_forget_holders() */

static struct holder *
map_at(struct map *m, uint64_t key)
{
	size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20);

	for (at &= m->size - 1; m->slots[at].key != 0; at = (at + 1) & (m->size - 1))
		if (m->slots[at].key == key)
			return &m->slots[at].value;
	m->slots[at].key = key;
	m->used++;
	return &m->slots[at].value;
}

static void
map_grow(struct map *m)
{
	struct map old = *m;
	size_t i;

	if (m->size != 0 && 2 * (m->used + 1) <= m->size)
		return;
	m->size = m->size != 0 ? 2 * m->size : 1024;
	m->used = 0;
	m->slots = calloc(m->size, sizeof(*m->slots));
	if (m->slots == NULL)
		abort();
	for (i = 0; i < old.size; i++)
		if (old.slots[i].key != 0)
			*map_at(m, old.slots[i].key) = old.slots[i].value;
	free(old.slots);
}

static void
look_at_process(uint32_t pid)
{
	char path[64], link[64];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, link,
		    sizeof(link) - 1);
		unsigned long long inode;
		struct holder *holder;

		link[n > 0 ? n : 0] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) != 1)
			continue;
		map_grow(&holders);
		holder = map_at(&holders, inode);
		if (holder->is.pid == 0 || pid < holder->is.pid) {
			holder->is.pid = pid;
			holder->is.fd = atoi(entry->d_name);
		}
	}
	if (d != NULL)
		closedir(d);
}

/* Who lives in another network namespace made none of these sockets. */
static int
is_here(unsigned long pid, const char *ours)
{
	char path[64], theirs[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%lu/ns/net", pid);
	n = readlink(path, theirs, sizeof(theirs) - 1);
	theirs[n > 0 ? n : 0] = '\0';
	return n <= 0 || strcmp(theirs, ours) == 0;
}

static void
look(void)
{
	char ours[64];
	ssize_t n = readlink("/proc/thread-self/ns/net", ours, sizeof(ours) - 1);
	struct dirent *entry;
	DIR *d = opendir("/proc");

	ours[n > 0 ? n : 0] = '\0';
	if (holders.size != 0)
		memset(holders.slots, 0, holders.size * sizeof(*holders.slots));
	holders.used = 0;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		unsigned long pid = strtoul(entry->d_name, NULL, 10);

		if (pid > 0 && is_here(pid, ours))
			look_at_process((uint32_t)pid);
	}
	if (d != NULL)
		closedir(d);
	looked = 1;
}

void
sim_forget_holders(void)
{
	looked = 0;
}

static struct holder *
creator_of(const struct td_row *row)
{
	struct holder *creator;

	map_grow(&creators);
	creator = map_at(&creators, row->cookie);
	if (creator->is.pid == 0 && row->inode != 0 && !creator->looked) {
		if (!looked)
			look();
		map_grow(&holders);
		*creator = *map_at(&holders, row->inode);
		creator->looked = 1;
	}
	return creator;
}

struct sim_holder
sim_creator(const struct td_row *row)
{
	static const struct sim_holder nobody;

	return row->cookie == 0 ? nobody : creator_of(row)->is;
}

int
sim_borrow(const struct td_row *row, struct sim_holder holder)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);
	int process, fd;

	if (holder.pid == 0)
		return -1;
	process = (int)syscall(SYS_pidfd_open, (pid_t)holder.pid, 0);
	if (process < 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, process, holder.fd, 0);
	close(process);
	if (fd >= 0 &&
	    (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0 ||
		cookie != row->cookie)) {
		close(fd);
		fd = -1;
	}
	return fd;
}
