/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ranges.c - the port ranges that divide a walk, run through a small copy
 * of the kernel's bytecode machine.
 */
#include "inet_diag.h"

#include <string.h>

#include "check.h"

/* What the kernel's inet_diag_bc_run() makes of these ops. */
static int
accepts(const unsigned char *program, size_t size, uint16_t sport, uint16_t dport)
{
	long left = (long)size;

	while (left > 0) {
		const unsigned char *op = program + ((long)size - left);
		uint16_t no, port = 0;
		int yes;

		memcpy(&no, op + 2, 2);
		if (op[0] != 1)
			memcpy(&port, op + 6, 2);
		switch (op[0]) {
		case 1:
			yes = 0;
			break;
		case 2:
			yes = sport >= port;
			break;
		case 3:
			yes = sport <= port;
			break;
		case 4:
			yes = dport >= port;
			break;
		case 5:
			yes = dport <= port;
			break;
		default:
			CHECK(!"an op that ranges do not need");
			return 0;
		}
		left -= yes ? op[1] : no;
	}
	return left == 0;
}

/* Is `left` reached by following `yes` from the start?  valid_cc() */
static int
reached(const unsigned char *program, size_t size, long left)
{
	long at = (long)size;

	while (at >= 0 && left <= at) {
		if (left == at)
			return 1;
		at -= program[(long)size - at + 1];
	}
	return 0;
}

/* inet_diag_bc_audit() */
static int
audit(const unsigned char *program, size_t size)
{
	long left = (long)size;

	while (left > 0) {
		const unsigned char *op = program + ((long)size - left);
		int least = op[0] == 1 ? 4 : 8;
		uint16_t no;

		memcpy(&no, op + 2, 2);
		if (least > left || op[1] < least || op[1] > left + 4 ||
		    op[1] % 4 != 0 || no < 4 || no > left + 4 || no % 4 != 0)
			return 0;
		if (no < left && !reached(program, size, left - no))
			return 0;
		left -= op[1];
	}
	return left == 0;
}

static int
boundaries(int n, uint16_t *ports)
{
	int count = 0, k, d;

	for (k = 0; k < n; k++) {
		struct td_range range = td_range_part(k, n);

		for (d = -1; d <= 1; d++) {
			ports[count++] = (uint16_t)(range.lo + d); /* wraps: also a port */
			ports[count++] = (uint16_t)(range.hi + d);
		}
	}
	return count;
}

/* Of n ranges just one takes a pair of ports, whatever else is asked. */
static void
test_ranges(int n, uint16_t own)
{
	unsigned char request[TD_DUMP_HEADER + 4 + TD_RANGE_PROGRAM + 8];
	unsigned char mine[8] = {4, 8, 0, 0, 0, 0, 0, 0}; /* dport >= own */
	uint16_t no = 12;
	struct td_query query = {.states = 2};
	uint16_t ports[16 * 6];
	int count = boundaries(n, ports), i, j, k;

	memcpy(mine + 2, &no, 2);
	memcpy(mine + 6, &own, 2);
	if (own != 0) {
		query.program = mine;
		query.program_size = sizeof(mine);
	}
	for (i = 0; i < count; i++)
		for (j = 0; j < count; j++) {
			int taken = 0;

			for (k = 0; k < n; k++) {
				struct td_range range = td_range_part(k, n);
				size_t size = td_dump_size(&query, range);

				CHECK(size <= sizeof(request) && size >= 76);
				td_put_dump(request, 1, &query, range);
				if (size == 76) {
					taken++;
					continue;
				}
				CHECK(audit(request + 80, size - 80));
				taken += accepts(request + 80, size - 80, ports[i],
				    ports[j]);
			}
			CHECK(taken == (ports[j] >= own ? 1 : 0));
		}
}

static void
test_parts(void)
{
	int n, k;

	for (n = 1; n <= 16; n++) {
		uint32_t next = 0;

		for (k = 0; k < n; k++) {
			struct td_range range = td_range_part(k, n);

			CHECK(range.lo == next && range.lo <= range.hi);
			next = range.hi + 1u;
		}
		CHECK(next == 65536);
	}
}

int
main(void)
{
	int n;

	test_parts();
	for (n = 1; n <= 16; n++) {
		test_ranges(n, 0);
		test_ranges(n, 40000);
	}
	puts("test_ranges: ok");
	return 0;
}
