/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.h - what the files of the Linux backend share. */
#ifndef TD_LINUX_H
#define TD_LINUX_H

#include "backend.h"
#include "inet_diag.h"

/* A sock_diag socket in the scope's namespace, close-on-exec. */
int td_open_diag(int scope, int *fd, const char **step);

int td_send(int fd, const void *buf, size_t size, const char **step);

/*
 * One datagram into `buf`.  One that is not from the kernel, or that did not
 * fit, is an error and never half a truth.
 */
int td_receive(int fd, void *buf, size_t size, size_t *got, const char **step);

#endif
