/* SPDX-License-Identifier: BSD-2-Clause */
/* rows.c - a growing array of packed rows.  Pure: no system calls, no Python. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char td_row_format[] = "=16s16sQQQQHHBBBBIIIIIIII";
const char td_row_fields[] =
	"laddr raddr cookie inode cgroup created lport rport family state timer "
	"backoff ifindex uid recvq sendq pid flags mark zero";
const char td_info_format[] = "=QQIIII16sII";
const char td_info_fields[] = "bytes_sent bytes_received last_sent "
			      "last_received rtt retrans cc known zero";

enum { JOIN_STEP = 8192 };

static int
resize(struct td_rows *rows, size_t room)
{
	unsigned char *data;

	if (room > SIZE_MAX / rows->stride)
		return -ENOMEM;
	data = realloc(rows->data, room * rows->stride);
	if (data == NULL)
		return -ENOMEM;
	rows->data = data;
	rows->room = room;
	return 0;
}

struct td_row *
td_rows_add(struct td_rows *rows)
{
	unsigned char *at;

	if (rows->count == rows->room &&
	    resize(rows, rows->room ? 2 * rows->room : 64) < 0)
		return NULL;
	at = rows->data + rows->count++ * rows->stride;
	memset(at, 0, rows->stride);
	return (struct td_row *)(void *)at;
}

int
td_rows_append(struct td_rows *rows, const struct td_row *row)
{
	struct td_row *to = td_rows_add(rows);

	if (to == NULL)
		return -ENOMEM;
	*to = *row;
	return 0;
}

void
td_rows_drop_last(struct td_rows *rows)
{
	rows->count--;
}

struct td_row *
td_rows_at(const struct td_rows *rows, size_t i)
{
	return (struct td_row *)(void *)(rows->data + i * rows->stride);
}

int
td_row_is_connection(const struct td_row *row)
{
	return row->state != 0 && row->state != TD_STATE_LISTEN &&
	    row->state != TD_STATE_CLOSED;
}

struct td_info *
td_rows_info(const struct td_rows *rows, struct td_row *row)
{
	if (rows->stride < sizeof(struct td_row) + sizeof(struct td_info))
		return NULL;
	return (struct td_info *)(void *)(row + 1);
}

int
td_rows_join(struct td_rows *to, struct td_rows *from)
{
	if (to->count == 0) {
		td_rows_free(to);
		*to = *from;
		memset(from, 0, sizeof(*from));
		from->stride = to->stride;
		return 0;
	}
	if (from->count > to->room - to->count &&
	    resize(to, to->count + from->count) < 0)
		return -ENOMEM;
	/* From the end, giving back what is copied: never all of it twice. */
	while (from->count != 0) {
		size_t n = from->count < JOIN_STEP ? from->count : JOIN_STEP;

		from->count -= n;
		memcpy(td_rows_at(to, to->count), td_rows_at(from, from->count),
		    n * to->stride);
		to->count += n;
		td_rows_trim(from);
	}
	td_rows_free(from);
	return 0;
}

/*
 * An open-addressed set of row numbers, half full at most.  Numbers, not
 * cookies: half the memory, and a row is looked at only on a collision.
 */
int
td_rows_unique(struct td_rows *rows)
{
	size_t slots = 64, kept = 0, i;
	unsigned shift = 64 - 6; /* the top bits of a product are the mixed ones */
	uint32_t *set;

	if (rows->count < 2)
		return 0;
	if (rows->count >= UINT32_MAX / 2)
		return -ENOMEM;
	for (; slots < 2 * rows->count; slots *= 2)
		shift--;
	set = calloc(slots, sizeof(*set)); /* row number + 1; 0: free */
	if (set == NULL)
		return -ENOMEM;
	for (i = 0; i < rows->count; i++) {
		const struct td_row *row = td_rows_at(rows, i);
		size_t at = (size_t)(row->cookie * 0x9e3779b97f4a7c15u >> shift);

		for (; set[at] != 0 && row->cookie != 0;
		     at = (at + 1) & (slots - 1))
			if (td_rows_at(rows, set[at] - 1)->cookie == row->cookie)
				break;
		if (row->cookie != 0 && set[at] != 0)
			continue; /* seen before */
		if (kept != i)
			memcpy(td_rows_at(rows, kept), row, rows->stride);
		kept++;
		if (row->cookie != 0)
			set[at] = (uint32_t)kept;
	}
	rows->count = kept;
	free(set);
	return 0;
}

void
td_rows_trim(struct td_rows *rows)
{
	if (rows->count == 0)
		td_rows_free(rows);
	else if (rows->count < rows->room)
		(void)resize(rows, rows->count); /* failing only keeps the room */
}

void
td_rows_free(struct td_rows *rows)
{
	free(rows->data);
	rows->data = NULL;
	rows->count = rows->room = 0;
}
