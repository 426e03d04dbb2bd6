/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * busy.c - LD_PRELOAD: the kernels of mid-2023 (6.4, 6.5), which do not
 * disconnect a socket while a thread waits in it: connect(AF_UNSPEC) is EBUSY.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

int
connect(int fd, const struct sockaddr *to, socklen_t length)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);

	if (to->sa_family == AF_UNSPEC) {
		errno = EBUSY;
		return -1;
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "connect");
	return real(fd, to, length);
}
