/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.c - LD_PRELOAD: the Nth call that our module makes of a function fails,
 * or gives what no kernel should.  Calls of Python's own and of libc's pass.
 *
 * faults_arm("recvfrom", 3, EINTR, "") from within the process, or
 * FAULT="recvfrom 3 4" in its environment, optionally with a last word:
 *
 *   after    the call is made, and fails only then: what came is lost
 *   cut      the last bytes are missing of what came, or of what is sent
 *   empty    a datagram of no bytes
 *   foreign  a message from another process
 *   number   a sequence number that is not ours
 *   torn     the first message alone, and NLM_F_DUMP_INTR: the rest was missed
 *   large    more than there was room for: MSG_TRUNC
 *   error    NLMSG_ERROR with that errno instead of what came; 0: "done"
 *   done     NLMSG_DONE with that errno instead of what came
 *   noop     NLMSG_NOOP instead of what came
 *
 * What the module has allocated and not freed is counted: faults_held().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

enum { CUT = 18 }; /* not a whole message */

static char armed[32], how[16];
static int number;
static atomic_int left; /* calls until it fails; below 0: none does */
static atomic_int failed;
static atomic_long held;
static uintptr_t from, to; /* where the module is */

/* ---- which, and whose calls --------------------------------------------- */

void faults_arm(const char *call, int nth, int error, const char *word);
int faults_disarm(void);
long faults_held(void);

void
faults_arm(const char *call, int nth, int error, const char *word)
{
	snprintf(armed, sizeof(armed), "%s", call);
	snprintf(how, sizeof(how), "%s", word);
	number = error;
	failed = 0;
	left = nth;
}

/* Has it failed? */
int
faults_disarm(void)
{
	left = -1;
	armed[0] = '\0';
	return failed;
}

long
faults_held(void)
{
	return held;
}

static int
note_place(struct dl_phdr_info *info, size_t size, void *arg)
{
	int k;

	(void)size, (void)arg;
	if (strstr(info->dlpi_name, "/_tcpdrop.") == NULL)
		return 0;
	for (k = 0; k < info->dlpi_phnum; k++)
		if (info->dlpi_phdr[k].p_type == PT_LOAD &&
		    info->dlpi_phdr[k].p_flags & PF_X) {
			from = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
			to = from + info->dlpi_phdr[k].p_memsz;
		}
	return 1;
}

void *
dlopen(const char *path, int flags)
{
	static void *(*next)(const char *, int);
	const char *fault = getenv("FAULT");
	char call[32], word[16] = "";
	int nth, error;
	void *handle;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "dlopen");
	handle = next(path, flags);
	if (path == NULL || strstr(path, "/_tcpdrop.") == NULL)
		return handle;
	dl_iterate_phdr(note_place, NULL);
	if (fault != NULL &&
	    sscanf(fault, "%31s %d %d %15s", call, &nth, &error, word) >= 3)
		faults_arm(call, nth, error, word);
	return handle;
}

#define OURS ((uintptr_t)__builtin_return_address(0) - from < to - from)

/* Is this the call that is to fail? */
static int
due(int ours, const char *call)
{
	if (!ours || armed[0] == '\0' || strcmp(armed, call) != 0 ||
	    atomic_fetch_sub(&left, 1) != 1)
		return 0;
	failed = 1;
	errno = number;
	return 1;
}

/* The function behind this one; dlsym() itself may allocate, and not through us. */
#define NEXT(type, name, arguments) \
	static type(*next) arguments; \
	if (next == NULL) \
	*(void **)&next = dlsym(RTLD_NEXT, name)

/* A call that just fails. */
#define FAILS(type, name, arguments, passed, result) \
	type name arguments \
	{ \
		NEXT(type, #name, arguments); \
		if (due(OURS, #name)) \
			return result; \
		return next passed; \
	}

FAILS(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
FAILS(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size), -1)
FAILS(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size), -1)
FAILS(int, getsockname, (int fd, struct sockaddr *to_, socklen_t *size), (fd, to_, size), -1)
FAILS(int, getpeername, (int fd, struct sockaddr *to_, socklen_t *size), (fd, to_, size), -1)
FAILS(int, connect, (int fd, const struct sockaddr *to_, socklen_t size), (fd, to_, size), -1)
FAILS(ssize_t, read, (int fd, void *buf, size_t size), (fd, buf, size), -1)
FAILS(ssize_t, readlinkat, (int fd, const char *path, char *buf, size_t size), (fd, path, buf, size), -1)
FAILS(int, fstat, (int fd, struct stat *status), (fd, status), -1)
FAILS(int, fstatat, (int fd, const char *path, struct stat *status, int flags), (fd, path, status, flags), -1)
FAILS(int, poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout), -1)
FAILS(int, setns, (int fd, int kind), (fd, kind), -1)
FAILS(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1)
FAILS(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), -1)
FAILS(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)

/* Under either name: Python.h chooses. */
int
lstat(const char *path, struct stat *status)
{
	NEXT(int, "lstat", (const char *, struct stat *));

	return due(OURS, "lstat") ? -1 : next(path, status);
}

int
lstat64(const char *path, struct stat64 *status)
{
	NEXT(int, "lstat64", (const char *, struct stat64 *));

	return due(OURS, "lstat") ? -1 : next(path, status);
}

/* ---- those that take what is not written out ---------------------------- */

int
open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode = 0;
	NEXT(int, "open", (const char *, int, ...));

	if (due(OURS, "open"))
		return -1;
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	return next(path, flags, mode);
}

int
openat(int directory, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode = 0;
	NEXT(int, "openat", (int, const char *, int, ...));

	if (due(OURS, "openat"))
		return -1;
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	return next(directory, path, flags, mode);
}

int
fcntl(int fd, int command, ...)
{
	va_list rest;
	long argument;
	NEXT(int, "fcntl", (int, int, ...));

	if (due(OURS, "fcntl"))
		return -1;
	va_start(rest, command);
	argument = va_arg(rest, long);
	va_end(rest);
	return next(fd, command, argument);
}

long
syscall(long which, ...)
{
	va_list rest;
	long a, b, c, d, e, f;
	NEXT(long, "syscall", (long, ...));

	if (due(OURS, "syscall"))
		return -1;
	va_start(rest, which);
	a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
	d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
	va_end(rest);
	return next(which, a, b, c, d, e, f);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*start)(void *), void *argument)
{
	NEXT(int, "pthread_create", (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *));

	if (due(OURS, "pthread_create"))
		return number;
	return next(thread, attributes, start, argument);
}

/* A line that cannot be read: the file beneath it is a directory by now. */
char *
fgets(char *text, int size, FILE *file)
{
	int directory;
	NEXT(char *, "fgets", (char *, int, FILE *));

	if (due(OURS, "fgets")) {
		directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dup2(directory, fileno(file));
		close(directory);
		while (next(text, size, file) != NULL)
			;
		return NULL;
	}
	return next(text, size, file);
}

/* ---- memory ------------------------------------------------------------- */

/* What dlsym() itself wants, and a sanitizer, while the real malloc() is looked for. */
static _Alignas(16) char early[65536];
static size_t early_used;
static int looking;

static void *
take_early(size_t size)
{
	void *block = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	if (early_used > sizeof(early))
		abort();
	return block;
}

static void *
counted(int ours, void *block)
{
	if (ours && block != NULL)
		held++;
	return block;
}

static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t);
static void (*real_free)(void *);

static int
look(void)
{
	if (real_malloc == NULL && !looking) {
		looking = 1;
		*(void **)&real_free = dlsym(RTLD_NEXT, "free");
		*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
		*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
		looking = 0;
	}
	return real_malloc != NULL;
}

void *
malloc(size_t size)
{
	if (!look())
		return take_early(size);
	return due(OURS, "malloc") ? NULL : counted(OURS, real_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	if (!look())
		return take_early(n * size);
	return due(OURS, "calloc") ? NULL : counted(OURS, real_calloc(n, size));
}

void *
realloc(void *block, size_t size)
{
	NEXT(void *, "realloc", (void *, size_t));

	if (due(OURS, "realloc"))
		return NULL;
	return block == NULL ? counted(OURS, next(block, size)) : next(block, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	NEXT(void *, "aligned_alloc", (size_t, size_t));

	return due(OURS, "aligned_alloc") ? NULL : counted(OURS, next(alignment, size));
}

char *
strdup(const char *text)
{
	NEXT(char *, "strdup", (const char *));

	return due(OURS, "strdup") ? NULL : counted(OURS, next(text));
}

void
free(void *block)
{
	if ((char *)block >= early && (char *)block < early + sizeof(early))
		return;
	if (OURS && block != NULL)
		held--;
	if (look())
		real_free(block);
}

/* ---- what is said, and what is heard ------------------------------------ */

ssize_t
sendto(int fd, const void *buf, size_t size, int flags,
    const struct sockaddr *whom, socklen_t length)
{
	NEXT(ssize_t, "sendto", (int, const void *, size_t, int, const struct sockaddr *, socklen_t));

	if (!due(OURS, "sendto"))
		return next(fd, buf, size, flags, whom, length);
	if (strcmp(how, "cut") == 0)
		return (ssize_t)size - CUT;
	if (strcmp(how, "after") == 0)
		(void)next(fd, buf, size, flags, whom, length);
	errno = number;
	return -1;
}

/* Something else instead of what came. */
static ssize_t
instead(unsigned char *buf, size_t got, uint16_t type)
{
	struct {
		struct nlmsghdr header;
		int code;
		struct nlmsghdr request;
	} message;

	memset(&message, 0, sizeof(message));
	if (got >= sizeof(message.header))
		memcpy(&message.header, buf, sizeof(message.header));
	message.header.nlmsg_len = sizeof(message);
	message.header.nlmsg_type = type;
	message.header.nlmsg_flags = 0;
	message.code = -number;
	memcpy(buf, &message, sizeof(message));
	return sizeof(message);
}

/* The first message, and the end of the dump if that is there: what is between is missing. */
static ssize_t
first_and_end(unsigned char *buf, size_t got)
{
	size_t at = 0, first = 0, last = 0;
	struct nlmsghdr header;

	for (; at + sizeof(header) <= got; at += NLMSG_ALIGN(header.nlmsg_len)) {
		memcpy(&header, buf + at, sizeof(header));
		last = at;
		if (first == 0)
			first = NLMSG_ALIGN(header.nlmsg_len);
	}
	memcpy(&header, buf + last, sizeof(header));
	if (last == 0 || header.nlmsg_type != NLMSG_DONE)
		return (ssize_t)(first < got ? first : got);
	memmove(buf + first, buf + last, got - last);
	return (ssize_t)(first + got - last);
}

static ssize_t
lie(unsigned char *buf, size_t size, ssize_t got, struct sockaddr *whom)
{
	struct nlmsghdr *header = (void *)buf;

	if (strcmp(how, "cut") == 0)
		return got - CUT;
	if (strcmp(how, "empty") == 0)
		return 0;
	if (strcmp(how, "foreign") == 0)
		((struct sockaddr_nl *)(void *)whom)->nl_pid = 4711;
	else if (strcmp(how, "number") == 0)
		header->nlmsg_seq += 1000;
	else if (strcmp(how, "torn") == 0) {
		header->nlmsg_flags |= NLM_F_DUMP_INTR;
		return first_and_end(buf, (size_t)got);
	} else if (strcmp(how, "large") == 0)
		return (ssize_t)size + 1;
	else if (strcmp(how, "error") == 0)
		return instead(buf, (size_t)got, NLMSG_ERROR);
	else if (strcmp(how, "done") == 0)
		return instead(buf, (size_t)got, NLMSG_DONE);
	else if (strcmp(how, "noop") == 0)
		return instead(buf, (size_t)got, NLMSG_NOOP);
	else {
		errno = number; /* after */
		return -1;
	}
	return got;
}

ssize_t
recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *whom,
    socklen_t *length)
{
	ssize_t got;
	NEXT(ssize_t, "recvfrom", (int, void *, size_t, int, struct sockaddr *, socklen_t *));

	if (!due(OURS, "recvfrom"))
		return next(fd, buf, size, flags, whom, length);
	if (how[0] == '\0')
		return -1;
	got = next(fd, buf, size, flags, whom, length);
	return got < 0 ? got : lie(buf, size, got, whom);
}
