/* SPDX-License-Identifier: BSD-2-Clause */
/* netlink.c - messages and attributes.  include/uapi/linux/netlink.h. */
#include "netlink.h"

#include <errno.h>

enum { TYPE_MASK = 0x3fff };

/* Take `size` bytes and what pads them; the last ones need not be padded. */
static void
step_over(const unsigned char **at, size_t *left, size_t size)
{
	size_t step = (size + 3) & ~(size_t)3;

	if (step > *left)
		step = *left;
	*at += step;
	*left -= step;
}

void
td_put_header(unsigned char *p, size_t size, uint16_t type, uint16_t flags,
    uint32_t seq)
{
	td_put32(p, (uint32_t)size);
	td_put16(p + 4, type);
	td_put16(p + 6, flags);
	td_put32(p + 8, seq);
	td_put32(p + 12, 0);
}

size_t
td_put_attribute(unsigned char *p, uint16_t type, const void *data, size_t size)
{
	size_t padded = (size + 3) & ~(size_t)3;

	td_put16(p, (uint16_t)(TD_ATTRIBUTE_HEADER + size));
	td_put16(p + 2, type);
	memset(p + TD_ATTRIBUTE_HEADER, 0, padded);
	memcpy(p + TD_ATTRIBUTE_HEADER, data, size);
	return TD_ATTRIBUTE_HEADER + padded;
}

int
td_next_message(const unsigned char **at, size_t *left, struct td_message *m)
{
	size_t size;

	if (*left == 0)
		return 0;
	if (*left < TD_NLMSG_HEADER)
		return -EBADMSG;
	size = td_get32(*at);
	if (size < TD_NLMSG_HEADER || size > *left)
		return -EBADMSG;
	m->type = td_get16(*at + 4);
	m->flags = td_get16(*at + 6);
	m->seq = td_get32(*at + 8);
	m->payload = *at + TD_NLMSG_HEADER;
	m->size = size - TD_NLMSG_HEADER;
	step_over(at, left, size);
	return 1;
}

int
td_next_of_dump(const unsigned char **at, size_t *left,
    struct td_dump_state *state, struct td_message *m)
{
	int error = state->over ? 0 : td_next_message(at, left, m);

	if (error != 1)
		return error;
	if (m->seq != state->seq)
		return -EPROTO;
	state->torn |= (m->flags & TD_NLM_F_DUMP_INTR) != 0;
	if (m->type != TD_NLMSG_DONE && m->type != TD_NLMSG_ERROR)
		return 1;
	/* The code of DONE is optional in old kernels; an acknowledgement was not asked for. */
	error = m->type == TD_NLMSG_DONE && m->size < 4 ? 0 : td_message_errno(m);
	if (error == 0 && m->type == TD_NLMSG_ERROR)
		return -EPROTO;
	state->over = error == 0;
	return error > 0 ? -error : error;
}

int
td_next_attribute(const unsigned char **at, size_t *left, struct td_attribute *a)
{
	size_t size;

	if (*left < TD_ATTRIBUTE_HEADER)
		return 0;
	size = td_get16(*at);
	if (size < TD_ATTRIBUTE_HEADER || size > *left)
		return -EBADMSG;
	a->type = td_get16(*at + 2) & TYPE_MASK;
	a->data = *at + TD_ATTRIBUTE_HEADER;
	a->size = size - TD_ATTRIBUTE_HEADER;
	step_over(at, left, size);
	return 1;
}

int
td_message_errno(const struct td_message *m)
{
	uint32_t code;

	if (m->size < 4)
		return -EBADMSG;
	code = td_get32(m->payload); /* 0 or -errno */
	if (code == 0)
		return 0;
	code = 0u - code;
	return code > 4095 ? -EBADMSG : (int)code;
}
