/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_vectors.h - connections for the tests of the simulator itself. */
#ifndef SIM_VECTORS_H
#define SIM_VECTORS_H

#define SIM_INSIDE
#include "../sim/include/stropts.h"
#include "../sim/sim.h"
#include "sunos_test.h"

#include <arpa/inet.h>
#include <string.h>

static inline void
parse(const char *text, uint8_t *addr)
{
	if (strchr(text, ':') != NULL) {
		if (inet_pton(AF_INET6, text, addr) != 1)
			failures++;
		return;
	}
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	if (inet_pton(AF_INET, text, addr + 12) != 1)
		failures++;
}

static inline struct sim_conn *
add(const char *laddr, int lport, const char *raddr, int rport, int state)
{
	struct sim_conn c;

	memset(&c, 0, sizeof(c));
	parse(laddr, c.laddr);
	parse(raddr, c.raddr);
	c.lport = (uint16_t)lport;
	c.rport = (uint16_t)rport;
	c.state = state;
	c.bucket = -1;
	c.v6_socket = strchr(laddr, ':') != NULL;
	return sim_add(&c);
}

/* The bytes of an abort request: all states, zone 0. */
struct image {
	unsigned char bytes[600];
};

static inline void
set_end(unsigned char *to, int family, const char *addr, int port)
{
	uint16_t f = (uint16_t)family, p = htons((uint16_t)port);

	memcpy(to, &f, 2);
	memcpy(to + 2, &p, 2);
	if (inet_pton(family == 2 ? AF_INET : AF_INET6, addr,
		to + (family == 2 ? 4 : 8)) != 1)
		failures++;
}

static inline struct image
image(int family, const char *laddr, int lport, const char *raddr, int rport)
{
	static const int32_t states[3] = {-2, 6, 0};
	struct image i;

	memset(&i, 0, sizeof(i));
	set_end(i.bytes, family, laddr, lport);
	set_end(i.bytes + 256, family, raddr, rport);
	memcpy(i.bytes + 512, states, sizeof(states));
	return i;
}

#endif
