/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stropts.h - the STREAMS interface for a system that has none.  With this
 * directory in the include path src/sunos*.c compile as they are, and their
 * open, close, ioctl, putmsg and getmsg go to the simulator (tests/sim).  The
 * file is included last there, so that the system's own declarations of those
 * names are read before they get another meaning.
 */
#ifndef SIM_STROPTS_H
#define SIM_STROPTS_H

#include <fcntl.h>
#include <unistd.h>

#define I_PUSH 0x5302
#define I_STR 0x5308

#define MORECTL 1
#define MOREDATA 2
#define RS_HIPRI 1

struct strbuf {
	int maxlen;
	int len;
	char *buf;
};

struct strioctl {
	int ic_cmd;
	int ic_timout;
	int ic_len;
	char *ic_dp;
};

int sim_open(const char *path, int flags, ...);
int sim_close(int fd);
int sim_ioctl(int fd, int command, ...);
int sim_putmsg(int fd, const struct strbuf *control, const struct strbuf *data,
    int flags);
int sim_getmsg(int fd, struct strbuf *control, struct strbuf *data, int *flags);

#ifndef SIM_INSIDE
#define open sim_open
#define close sim_close
#define ioctl sim_ioctl
#define putmsg sim_putmsg
#define getmsg sim_getmsg
#endif

#endif
