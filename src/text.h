/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - a row as people write a connection: LADDR LPORT RADDR RPORT.
 *
 * Text is Python's business, but for this line: a run prints it for each of
 * its connections, and a hundred thousand of them cost Python more than the
 * look-ups cost the kernel.
 */
#ifndef TD_TEXT_H
#define TD_TEXT_H

#include "rows.h"

/* The longest line: two addresses of 45 bytes, two ports, three spaces. */
enum { TD_CLASSIC_MAX = 2 * 45 + 2 * 5 + 3 };

/*
 * Numeric, a v4-mapped address as IPv4, without an end mark; at most
 * TD_CLASSIC_MAX bytes.  Returns their number.
 */
size_t td_put_classic(char *to, const struct td_row *row);

#endif
