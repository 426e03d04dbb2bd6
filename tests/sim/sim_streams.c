/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_streams.c - the system calls.  A simulated descriptor is a real one (of
 * /dev/null), so that it collides with no other and a leak is seen from
 * outside too.
 */
#define SIM_INSIDE
#include "include/stropts.h"
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS = 65536 };

static struct stream {
	int used;
	int writable;
	int mib; /* this device answers MIB requests */
	int tcp; /* this device takes TCP_IOC_ABORT_CONN */
	struct sim_message *first;
} streams[STREAMS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
sim_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
sim_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static int
done(int error)
{
	sim_unlock();
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

static struct stream *
get_stream(int fd)
{
	return fd >= 0 && fd < STREAMS && streams[fd].used ? &streams[fd] : NULL;
}

/* ---- open and close ----------------------------------------------------- */

int
sim_open(const char *path, int flags, ...)
{
	int tcp = strcmp(path, "/dev/tcp") == 0 ||
	    strcmp(path, "/dev/tcp6") == 0;
	int fd, error = 0;

	sim_lock();
	sim.opens++;
	if (sim.open_errno != 0)
		error = sim.open_errno;
	else if (strcmp(path, "/dev/ip") == 0)
		error = EACCES;
	else if (!tcp && strcmp(path, "/dev/arp") != 0)
		error = ENOENT;
	if (error != 0)
		return done(error);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return done(errno);
	if (fd >= STREAMS) {
		close(fd);
		return done(EMFILE);
	}
	memset(&streams[fd], 0, sizeof(streams[fd]));
	streams[fd].used = 1;
	streams[fd].writable = (flags & O_ACCMODE) == O_RDWR;
	streams[fd].mib = 1;
	streams[fd].tcp = tcp;
	sim.descriptors++;
	sim_unlock();
	return fd;
}

int
sim_close(int fd)
{
	struct stream *s;
	struct sim_message *m;

	sim_lock();
	s = get_stream(fd);
	if (s == NULL)
		return done(EBADF);
	while ((m = s->first) != NULL) {
		s->first = m->next;
		sim_free_message(m);
	}
	s->used = 0;
	sim.descriptors--;
	if (sim.closed != NULL)
		sim.closed();
	close(fd);
	sim_unlock();
	return 0;
}

/* ---- ioctl -------------------------------------------------------------- */

static int
push(const char *name)
{
	static const char *const known[] = {"tcp", "udp", "icmp", "arp"};
	size_t i;

	if (sim.push_errno != 0)
		return sim.push_errno;
	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(name, known[i]) == 0)
			return 0;
	return EINVAL;
}

static int
string_ioctl(const struct stream *s, struct strioctl *command)
{
	int error;

	if (command->ic_timout < -1 || command->ic_len < 0 ||
	    command->ic_len > 65536)
		return EINVAL;
	if (!s->tcp || command->ic_cmd != 0x545b)
		return EINVAL;
	if (sim.abort_errno != 0)
		return sim.abort_errno;
	if (sim.refresh != NULL)
		sim.refresh(0);
	error = sim_abort(command->ic_dp, (size_t)command->ic_len);
	if (error == ENOENT && sim.refresh != NULL) {
		sim.refresh(1); /* it may be younger than the last walk */
		error = sim_abort(command->ic_dp, (size_t)command->ic_len);
	}
	if (sim.kill != NULL)
		sim_drain(-1); /* the delay is the host's */
	if (error == 0)
		command->ic_len = 0; /* nothing is returned, and so it says */
	return error;
}

int
sim_ioctl(int fd, int command, ...)
{
	struct stream *s;
	va_list args;
	void *arg;
	int error = EINVAL; /* TCP_IOC_ABORT_CONN without I_STR too */

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	sim_lock();
	s = get_stream(fd);
	if (s == NULL)
		error = EBADF;
	else if (command == I_PUSH)
		error = push(arg);
	else if (command == I_STR)
		error = string_ioctl(s, arg);
	return done(error);
}

/* ---- putmsg and getmsg -------------------------------------------------- */

static struct sim_message *
answer(const unsigned char *control, size_t size)
{
	uint32_t word[7];

	memset(word, 0, sizeof(word));
	memcpy(word, control, size < sizeof(word) ? size : sizeof(word));
	if (size < 28 || word[0] != 9 || word[1] != 12 || word[2] != 16)
		return sim_error_ack(2, 0); /* TBADOPT */
	if (word[3] == 0x04 && !sim.privileged)
		return sim_error_ack(3, 0); /* negotiate: TACCES */
	if (word[3] != 0x80)
		return sim_error_ack(16, 0); /* TBADFLAG */
	if ((word[4] < 257 || word[4] > 272) &&
	    (word[4] < 1025 || word[4] > 1028))
		return sim_error_ack(2, 0);
	sim.walks++;
	if (sim.refresh != NULL)
		sim.refresh(1);
	return sim_tables(word[4]);
}

static int
put(struct stream *s, const struct strbuf *control)
{
	if (s == NULL || !s->writable)
		return EBADF;
	if (sim.putmsg_eintr != 0 && --sim.putmsg_eintr == 0)
		return EINTR;
	if (sim.putmsg_errno != 0)
		return sim.putmsg_errno;
	if (control == NULL || control->len < 16)
		return EINVAL;
	if (control->len > 1024)
		return ERANGE;
	if (((uintptr_t)control->buf & 3) != 0)
		return EFAULT; /* stricter than the kernel, on purpose */
	while (s->first != NULL)
		abort(); /* a stream is not used twice */
	s->first = answer((const unsigned char *)control->buf,
	    (size_t)control->len);
	return s->first == NULL ? EAGAIN : 0;
}

int
sim_putmsg(int fd, const struct strbuf *control, const struct strbuf *data,
    int flags)
{
	(void)data;
	sim_lock();
	return done(flags != 0 ? EINVAL : put(get_stream(fd), control));
}

/* Read one part of a message: what is left of it then. */
static size_t
take_part(struct strbuf *to, const unsigned char *from, size_t size,
    size_t *taken, size_t most)
{
	size_t n = size - *taken;

	if (n > (size_t)to->maxlen)
		n = (size_t)to->maxlen;
	if (most != 0 && n > most)
		n = most;
	if (n != 0)
		memcpy(to->buf, from + *taken, n);
	to->len = (int)n;
	*taken += n;
	return size - *taken;
}

static int
get(struct stream *s, struct strbuf *control, struct strbuf *data, int *flags)
{
	struct sim_message *m = s->first, **at = &s->first;
	int result = 0, control_over, data_over;

	for (; *at != NULL; at = &(*at)->next) /* high priority first */
		if ((*at)->urgent) {
			m = *at;
			break;
		}
	if (!m->urgent)
		at = &s->first;
	control_over = m->control_read == m->control_size;
	data_over = m->data == NULL;
	if (control != NULL && control->maxlen >= 0) {
		if (control_over)
			control->len = -1;
		else
			control_over = take_part(control, m->control,
			    m->control_size, &m->control_read, 0) == 0;
	}
	if (data != NULL && data->maxlen >= 0) {
		if (data_over)
			data->len = -1;
		else
			data_over = take_part(data, m->data, m->data_size,
			    &m->data_read, sim.chunk) == 0;
	}
	*flags = m->urgent ? RS_HIPRI : 0;
	result = (control_over ? 0 : MORECTL) | (data_over ? 0 : MOREDATA);
	if (result == 0) {
		*at = m->next;
		sim_free_message(m);
	}
	return sim.fault == SIM_MORE_CONTROL ? result | MORECTL : result;
}

int
sim_getmsg(int fd, struct strbuf *control, struct strbuf *data, int *flags)
{
	struct stream *s;
	int result;

	sim_lock();
	sim.getmsgs++;
	s = get_stream(fd);
	if (s == NULL || *flags != 0)
		return done(s == NULL ? EBADF : EINVAL);
	if (sim.getmsg_eintr != 0 && --sim.getmsg_eintr == 0)
		return done(EINTR);
	if (s->first == NULL)
		abort(); /* the real one would block for ever */
	result = get(s, control, data, flags);
	sim_unlock();
	return result;
}
