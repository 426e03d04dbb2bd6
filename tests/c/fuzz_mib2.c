/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_mib2.c - the parser under libFuzzer.  The input is a conversation: one
 * byte of flags, then messages of a control size, a control part, a data size
 * of two bytes and a data part.
 */
#include "../../src/mib2.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz_main.h"

/* Take n bytes, or what is left, into memory of exactly that size. */
static uint8_t *
cut(const uint8_t **at, size_t *left, size_t *n)
{
	uint8_t *copy;

	if (*n > *left)
		*n = *left;
	copy = malloc(*n != 0 ? *n : 1);
	if (copy == NULL)
		abort();
	if (*n != 0)
		memcpy(copy, *at, *n);
	*at += *n;
	*left -= *n;
	return copy;
}

static int
one_message(struct td_mib2 *walk, const uint8_t **at, size_t *left)
{
	struct td_mib2_reply reply;
	size_t control_size = **at, data_size;
	uint8_t *control, *data;
	int error;

	++*at;
	--*left;
	control = cut(at, left, &control_size);
	error = td_mib2_get_reply(control, control_size, *left >= 2, &reply);
	free(control);
	if (error != TD_MIB2_TABLE || *left < 2)
		return -1;
	data_size = (size_t)(*at)[0] << 8 | (*at)[1];
	*at += 2;
	*left -= 2;
	data = cut(at, left, &data_size);
	error = td_mib2_take(walk, &reply, data, data_size);
	free(data);
	return error;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct td_query query;
	struct td_rows rows;
	struct td_mib2 walk;
	size_t left = size, i;

	if (size == 0)
		return 0;
	memset(&query, 0, sizeof(query));
	memset(&rows, 0, sizeof(rows));
	memset(&walk, 0, sizeof(walk));
	query.states = TD_ALL_STATES;
	query.sport = bytes[0] & 2 ? 80 : 0;
	rows.stride = sizeof(struct td_row) +
	    (bytes[0] & 1 ? sizeof(struct td_info) : 0);
	walk.rows = &rows;
	bytes++;
	left--;
	while (left != 0)
		if (one_message(&walk, &bytes, &left) != 0)
			break;
	if (td_mib2_finish(&walk, &query) == 0)
		for (i = 0; i < rows.count; i++) {
			const struct td_row *row = td_rows_at(&rows, i);

			if ((1u << row->state & TD_ALL_STATES) == 0 ||
			    (row->family != 4 && row->family != 6))
				abort();
		}
	td_rows_free(&rows);
	return 0;
}
