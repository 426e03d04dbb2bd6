/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_lies.c - a good answer made wrong, as sim.fault says. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { TCP = 262 };

static void
put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static struct sim_message *
find_table(struct sim_message *chain, uint32_t level, uint32_t name)
{
	struct sim_message *m;

	for (m = chain; m != NULL; m = m->next)
		if (memcmp(m->control + 16, &level, 4) == 0 &&
		    memcmp(m->control + 20, &name, 4) == 0)
			return m;
	return NULL;
}

static void
resize_data(struct sim_message *m, size_t size)
{
	m->data = realloc(m->data, size + 1);
	if (m->data == NULL)
		abort();
	m->data_size = size;
}

static void
spoil_message(struct sim_message *chain)
{
	struct sim_message *m = find_table(chain, TCP, 13);
	struct sim_message *sizes = find_table(chain, TCP, 0);

	if (m == NULL || sizes == NULL)
		return; /* there is nothing to make wrong */
	switch (sim.fault) {
	case SIM_ODD_LENGTH:
		resize_data(m, m->data_size + 1);
		m->data[m->data_size - 1] = 0;
		put32(m->control + 24, (uint32_t)m->data_size);
		break;
	case SIM_SHORT_DATA:
		put32(m->control + 24, (uint32_t)m->data_size + 100000);
		break;
	case SIM_LONG_DATA:
		put32(m->control + 24, 1);
		break;
	case SIM_HUGE_LENGTH:
		put32(m->control + 24, 0xffffffffu);
		break;
	case SIM_SHORT_SIZES:
		resize_data(sizes, 211);
		put32(sizes->control + 24, 211);
		break;
	case SIM_SMALL_ENTRY:
		put32(sizes->data + 48, 4);
		break;
	case SIM_ZERO_ENTRY:
		put32(sizes->data + 48, 0);
		break;
	case SIM_SHORT_CONTROL:
		m->control_size = 12;
		break;
	case SIM_BAD_PRIMITIVE:
		put32(m->control, 23);
		break;
	case SIM_NOT_SUCCESS:
		put32(m->control + 12, 0x40);
		break;
	case SIM_NO_DATA_PART:
		free(m->data);
		m->data = NULL;
		break;
	default:
		break;
	}
}

static void
spoil_info(struct sim_message *chain)
{
	struct sim_message *m = find_table(chain, TCP, 106);

	if (m == NULL)
		return;
	if (sim.fault == SIM_INFO_RANGE)
		put32(m->data + m->data_size - 32, 1u << 20);
	if (sim.fault == SIM_INFO_OLD) {
		/* Records of their own length: not a multiple of 32. */
		memset(m->data, 0, m->data_size);
		resize_data(m, m->data_size - 12);
		put32(m->control + 24, (uint32_t)m->data_size);
	}
}

void
sim_spoil(struct sim_message *chain)
{
	spoil_message(chain);
	spoil_info(chain);
}
