/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _file.c - what Python cannot ask of a file, or not as fast.
 *
 * - Is there such a file?  Mostly there is none, and Python's exception for
 *   that takes longer than the look.
 * - What kind is it, as the kernel has noted it?  stat(2) asks the file system,
 *   which may be dead (NFS, FUSE) and then does not answer.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* in these words, which CPython's headers repeat */
#endif
#include "_boundary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

/* In <linux/stat.h>, which libcs that have them, too, do not let in. */
#ifndef STATX_TYPE
#define STATX_TYPE 1
#endif
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

const char td_is_absent_doc[] =
    "is_absent(path, /)\n--\n\n"
    "Has certainly nothing this name?  A link that leads nowhere has it, and what\n"
    "cannot be looked at may.  lstat(2), ENOENT.";

PyObject *
td_is_absent(PyObject *module, PyObject *path)
{
	struct stat status;
	PyObject *name;
	int absent;

	(void)module;
	if (!PyUnicode_FSConverter(path, &name))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	absent = lstat(PyBytes_AsString(name), &status) != 0 && errno == ENOENT;
	Py_END_ALLOW_THREADS
	Py_DECREF(name);
	return PyBool_FromLong(absent);
}

const char td_is_fifo_doc[] =
    "is_fifo(path, /)\n--\n\n"
    "Is it a pipe or a FIFO, by what the kernel has noted of it?\n\n"
    "Raises OSError with .step when it cannot be told, ENOTSUP without statx(2)\n"
    "(Linux 4.11).  AT_STATX_DONT_SYNC in statx(2).";

/* 0 or -errno. */
static int
noted_mode(const char *path, uint16_t *mode)
{
#ifdef SYS_statx
	unsigned char noted[256]; /* struct statx, which not every libc has */

	if (syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE,
		noted) != 0)
		return errno == ENOSYS ? -ENOTSUP : -errno;
	memcpy(mode, noted + 28, sizeof(*mode)); /* stx_mode */
	return 0;
#else
	(void)path, (void)mode;
	return -ENOTSUP;
#endif
}

PyObject *
td_is_fifo(PyObject *module, PyObject *path)
{
	PyObject *name;
	uint16_t mode = 0;
	int error;

	(void)module;
	if (!PyUnicode_FSConverter(path, &name))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = noted_mode(PyBytes_AsString(name), &mode);
	Py_END_ALLOW_THREADS
	Py_DECREF(name);
	if (error != 0)
		return td_raise(error, "statx");
	return PyBool_FromLong(S_ISFIFO(mode));
}
