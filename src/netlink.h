/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlink.h - the frame of every netlink conversation: numbers into bytes and
 * back, messages, attributes.  Pure, as what is built on it: no system calls,
 * no allocation, no system headers.  Everything is copied, never cast: replies
 * have no alignment that C could rely on.  Each length is checked against what
 * is left before anything behind it is read.
 */
#ifndef TD_NETLINK_H
#define TD_NETLINK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TD_NLMSG_ERROR = 2, TD_NLMSG_DONE = 3 };
enum { TD_NLM_F_REQUEST = 1, TD_NLM_F_ACK = 4, TD_NLM_F_DUMP_INTR = 0x10,
	TD_NLM_F_DUMP = 0x300 };
enum { TD_NLMSG_HEADER = 16, TD_ATTRIBUTE_HEADER = 4 };

struct td_message {
	uint16_t type;
	uint16_t flags;
	uint32_t seq;
	const unsigned char *payload;
	size_t size;
};

struct td_attribute {
	uint16_t type; /* without the bits that say how it is encoded */
	const unsigned char *data;
	size_t size;
};

/* `size` is that of the whole message, its header included. */
void td_put_header(unsigned char *p, size_t size, uint16_t type, uint16_t flags,
    uint32_t seq);

/* Write an attribute, padded: how many bytes that are. */
size_t td_put_attribute(unsigned char *p, uint16_t type, const void *data,
    size_t size);

/*
 * Take the next message from *at, `left` bytes: 1 and a message, 0 at the end,
 * -EBADMSG when the bytes are no message.
 */
int td_next_message(const unsigned char **at, size_t *left,
    struct td_message *message);

/* Where a dump is, over all of its datagrams. */
struct td_dump_state {
	uint32_t seq; /* of the request */
	int over;     /* all has come */
	int torn;     /* it changed meanwhile, so that some may have been missed */
};

/*
 * The same of a dump: 1 and a message of what is dumped, 0 at the end of the
 * bytes or of the dump, -errno for what it failed with, -EPROTO for an answer
 * to something else.
 */
int td_next_of_dump(const unsigned char **at, size_t *left,
    struct td_dump_state *state, struct td_message *message);

/* The same of the attributes in a message, or in another attribute. */
int td_next_attribute(const unsigned char **at, size_t *left,
    struct td_attribute *attribute);

/* The errno (0 or positive) of NLMSG_ERROR or NLMSG_DONE; -EBADMSG. */
int td_message_errno(const struct td_message *message);

static inline void
td_put16(unsigned char *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static inline void
td_put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static inline void
td_put_port(unsigned char *p, uint16_t port) /* network order */
{
	p[0] = (unsigned char)(port >> 8);
	p[1] = (unsigned char)(port & 0xff);
}

static inline uint16_t
td_get16(const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

static inline uint32_t
td_get32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t
td_get64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

#endif
