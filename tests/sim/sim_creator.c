/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_creator.c - who created a socket: the process first seen to hold it.  It
 * is remembered, for on illumos a creator never changes, and it is a part of
 * the identity there.
 */
#include "sim_host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Open addressing, half full at most; key 0 is free. */
struct map {
	struct {
		uint64_t key;
		uint32_t value;
	} *slots;
	size_t size, used;
};

static struct map holders;  /* inode -> process, of one look */
static struct map creators; /* cookie -> process, for good */

static uint32_t *
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
		uint32_t *holder;

		link[n > 0 ? n : 0] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) != 1)
			continue;
		map_grow(&holders);
		holder = map_at(&holders, inode);
		if (*holder == 0 || pid < *holder)
			*holder = pid;
	}
	if (d != NULL)
		closedir(d);
}

void
sim_find_creators(void)
{
	struct dirent *entry;
	DIR *d = opendir("/proc");

	if (holders.size != 0)
		memset(holders.slots, 0, holders.size * sizeof(*holders.slots));
	holders.used = 0;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		unsigned long pid = strtoul(entry->d_name, NULL, 10);

		if (pid > 0)
			look_at_process((uint32_t)pid);
	}
	if (d != NULL)
		closedir(d);
}

uint32_t
sim_creator(uint64_t cookie, uint64_t inode)
{
	uint32_t *creator;

	if (cookie == 0)
		return 0;
	map_grow(&creators);
	creator = map_at(&creators, cookie);
	if (*creator == 0 && inode != 0) {
		map_grow(&holders);
		*creator = *map_at(&holders, inode);
	}
	return *creator;
}
