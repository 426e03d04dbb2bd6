/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unsupported.c - the system of which we know nothing: it builds anywhere, so
 * that imports, docs and pure tests work on any laptop.  To port to a new
 * system, copy this file and fill it in; docs/porting.md goes along.
 */
#include "backend.h"

#include <errno.h>

const char td_backend[] = "unsupported";

static int
unsupported(const char **step)
{
	*step = "unsupported";
	return -ENOTSUP;
}

int
td_list(const struct td_query *query, struct td_rows *rows, const char **step)
{
	(void)query, (void)rows;
	return unsupported(step);
}

int
td_lookup(const struct td_tuple *tuple, int scope, struct td_row *row,
    const char **step)
{
	(void)tuple, (void)scope, (void)row;
	return unsupported(step);
}

int
td_lookup_each(const struct td_tuple *tuples, size_t n,
    const uint32_t *ifindices, size_t n_ifindices,
    struct td_conversation *c, struct td_rows *rows, const char **step)
{
	(void)tuples, (void)n, (void)ifindices, (void)n_ifindices;
	(void)c, (void)rows;
	return unsupported(step);
}

int
td_abort(const struct td_tuple *tuple, struct td_conversation *c,
    const char **step)
{
	(void)tuple, (void)c;
	return unsupported(step);
}

int
td_abort_descriptor(int fd, const struct td_tuple *tuple, const char **step)
{
	(void)fd, (void)tuple;
	return unsupported(step);
}

int
td_socket_of(int pid, int fd, struct td_row *row, const char **step)
{
	(void)pid, (void)fd, (void)row;
	return unsupported(step);
}

int
td_pipe_is_cut(int pid, int fd, uint64_t inode, int *cut, const char **step)
{
	(void)pid, (void)fd, (void)inode, (void)cut;
	return unsupported(step);
}

int
td_abort_held(int pid, int fd, const struct td_tuple *tuple, uint64_t inode,
    int scope, int dry_run, int *kind, const char **step)
{
	(void)pid, (void)fd, (void)tuple, (void)inode;
	(void)scope, (void)dry_run, (void)kind;
	return unsupported(step);
}

int
td_mptcp(int scope, struct td_rows *rows, const char **step)
{
	(void)scope, (void)rows;
	return unsupported(step);
}

int
td_process(int pid, const char *variable, struct td_process *process,
    const char **step)
{
	(void)pid, (void)variable, (void)process;
	return unsupported(step);
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

int
td_abort_rows(const struct td_rows *rows, const uint32_t *indices, size_t n,
    int *errors, int scope, int threads, const char **step)
{
	(void)rows, (void)indices, (void)n, (void)errors;
	(void)scope, (void)threads;
	return unsupported(step);
}

int
td_interfaces(int scope, struct td_interface **list, size_t *n,
    const char **step)
{
	(void)scope, (void)list, (void)n;
	return unsupported(step);
}

int
td_ifindices(int scope, uint32_t **list, size_t *n, const char **step)
{
	(void)scope, (void)list, (void)n;
	return unsupported(step);
}

int
td_unix_sockets(int scope, struct td_unix **all, size_t *n, const char **step)
{
	(void)scope, (void)all, (void)n;
	return unsupported(step);
}

int
td_routes(const struct td_row *rows, size_t n, int scope,
    struct td_route *routes, const char **step)
{
	(void)rows, (void)n, (void)scope, (void)routes;
	return unsupported(step);
}

int
td_rules(int scope, uint32_t *ipv4, uint32_t *ipv6, const char **step)
{
	(void)scope, (void)ipv4, (void)ipv6;
	return unsupported(step);
}

int
td_links(const uint32_t *ifindices, size_t n, int scope, struct td_link *links,
    const char **step)
{
	(void)ifindices, (void)n, (void)scope, (void)links;
	return unsupported(step);
}

int
td_probe(int scope, const char **step)
{
	(void)scope;
	return unsupported(step);
}
