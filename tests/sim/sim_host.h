/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_host.h - what the files of the simulator on a Linux host share. */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include <stdint.h>

#include "../../src/rows.h"

long long sim_now_ms(void);

/* A sock_diag socket in the calling thread's network namespace, or -1. */
int sim_open_diag(void);

/*
 * SOCK_DESTROY of this very socket, after the delay.  peer: the other end if
 * it is on this host, or NULL; it is not to notice.
 */
void sim_kill_later(const struct td_row *row, const struct td_row *peer);

struct sim_holder {
	uint32_t pid; /* 0: nobody */
	int fd;	      /* there */
};

/* Who holds the socket; looked for anew after sim_forget_holders(). */
struct sim_holder sim_creator(const struct td_row *row);
void sim_forget_holders(void);

/* A descriptor of that very socket, taken from its holder, or -1. */
int sim_borrow(const struct td_row *row, struct sim_holder holder);

#endif
