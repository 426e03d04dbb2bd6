/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux_openers.c - who opened a connection whose data is under way?  The
 * kernel's counters tell it at any time, but the queue among them is read a
 * moment before the others.  Two looks that say the same make it certain;
 * between them lie some microseconds.
 *
 * tcp_get_info(), net/ipv4/tcp.c; tcp_diag_get_info(), net/ipv4/tcp_diag.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "linux.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* So often: where data flows without a pause no two may agree. */
enum { LOOKS = 4 };

/* May another look tell it? */
static int
may_tell(const struct td_row *row, const struct td_info *info)
{
	return (info->known & TD_INFO_OPENED) == 0 && row->sendq != 0 &&
	    (row->state == TD_STATE_ESTABLISHED ||
		row->state == TD_STATE_CLOSE_WAIT);
}

/* 1, 0 where it is not told, or an error. */
static int
has_opened(struct td_conversation *c, const struct td_row *row,
    const char **step)
{
	struct td_counters before, now;
	int error, k;

	memset(&before, 0, sizeof(before));
	for (k = 0; k < LOOKS; k++) {
		error = td_look_again(c, row, &now, step);
		if (error != 0)
			return error == -ENOENT ? 0 : error;
		if (td_opened_by_both(&before, &now))
			return 1;
		before = now;
	}
	return 0;
}

int
td_tell_openers(struct td_rows *rows, int scope, const char **step)
{
	struct td_conversation c = {.scope = scope, .fd = -1};
	int told = 0;
	size_t i;

	for (i = 0; i < rows->count && told >= 0; i++) {
		struct td_row *row = td_rows_at(rows, i);
		struct td_info *info = td_rows_info(rows, row);

		if (!may_tell(row, info))
			continue;
		told = has_opened(&c, row, step);
		if (told == 1)
			info->known |= TD_INFO_OPENED;
	}
	if (c.fd >= 0)
		close(c.fd);
	return told < 0 ? told : 0;
}
