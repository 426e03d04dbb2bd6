/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_host.h - what the files of the simulator on a Linux host share. */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include <stdint.h>

#include "../../src/rows.h"

long long sim_now_ms(void);

/* A sock_diag socket in the calling thread's network namespace, or -1. */
int sim_open_diag(void);

/* SOCK_DESTROY of this very socket, after the delay. */
void sim_kill_later(const struct td_row *row);

/* Look through /proc for the holders of sockets, and ask for one. */
void sim_find_creators(void);
uint32_t sim_creator(uint64_t cookie, uint64_t inode);

#endif
