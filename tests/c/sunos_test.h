/* SPDX-License-Identifier: BSD-2-Clause */
/* sunos_test.h - a check that counts, for the C tests of the SunOS backend. */
#ifndef SUNOS_TEST_H
#define SUNOS_TEST_H

#include <stdio.h>

static int checks, failures;

#define CHECK(what) \
	do { \
		checks++; \
		if (!(what)) { \
			failures++; \
			fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, \
			    __LINE__, __func__, #what); \
		} \
	} while (0)

#define CHECK_EQUAL(is, should) \
	do { \
		long long is_ = (long long)(is), should_ = (long long)(should); \
		checks++; \
		if (is_ != should_) { \
			failures++; \
			fprintf(stderr, "%s:%d: %s: %s is %lld, not %lld\n", \
			    __FILE__, __LINE__, __func__, #is, is_, should_); \
		} \
	} while (0)

static inline int
test_result(const char *name)
{
	printf("%s: %d checks, %d failed\n", name, checks, failures);
	return failures != 0;
}

#endif
