/* SPDX-License-Identifier: BSD-2-Clause */
/* check.h - an assertion that stays in optimised builds and says what it was about. */
#ifndef TD_CHECK_H
#define TD_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
			    #condition); \
			exit(1); \
		} \
	} while (0)

#endif
