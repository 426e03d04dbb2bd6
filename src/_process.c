/* SPDX-License-Identifier: BSD-2-Clause */
/* _process.c - what Python asks about the processes above its own. */
#include "_boundary.h"

#include <errno.h>

const char td_process_doc[] =
    "process(pid, variable, /)\n--\n\n"
    "(parent, sockets, value) of a process, each an int -errno if unreadable.\n\n"
    "parent: pid, 0 for none that can be seen.  sockets: native uint64 pairs,\n"
    "inode and descriptor, packed.  value: of the environment variable the\n"
    "process was started with, None if it had none.  Raises OSError with .step,\n"
    "ENOTSUP where the system does not tell these.  proc(5).";

/* An object, or the error in its place: never NULL without an exception. */
static PyObject *
or_error(int error, PyObject *object)
{
	if (error == 0 || object == NULL)
		return object;
	Py_DECREF(object);
	return PyLong_FromLong(error);
}

PyObject *
td_process_tuple(PyObject *module, PyObject *args)
{
	struct td_process process;
	const char *variable, *step = "";
	PyObject *sockets, *value, *result = NULL;
	int pid, error;

	(void)module;
	if (!PyArg_ParseTuple(args, "iy", &pid, &variable))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_process(pid, variable, &process, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	sockets = or_error(process.sockets_error,
	    PyBytes_FromStringAndSize((const char *)process.sockets,
		(Py_ssize_t)(process.count * sizeof(*process.sockets))));
	value = or_error(process.value_error, process.value != NULL ?
	    PyBytes_FromString(process.value) : Py_BuildValue(""));
	td_process_free(&process);
	if (sockets != NULL && value != NULL)
		result = Py_BuildValue("iOO", process.parent, sockets, value);
	Py_XDECREF(sockets);
	Py_XDECREF(value);
	return result;
}

const char td_thread_tables_doc[] =
    "thread_tables(pid, /)\n--\n\n"
    "Threads of a process that have, or may have, descriptors of their own.\n\n"
    "Native ints, packed: ids of threads whose /proc/PID/task/TID/fd is to be\n"
    "read beside /proc/PID/fd.  Raises OSError with .step, ENOTSUP where threads\n"
    "share all.  unshare(2), kcmp(2).";

PyObject *
td_thread_tables_bytes(PyObject *module, PyObject *args)
{
	const char *step = "";
	PyObject *result;
	size_t n = 0;
	int *tids = NULL, pid, error;

	(void)module;
	if (!PyArg_ParseTuple(args, "i", &pid))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_thread_tables(pid, &tids, &n, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		result = td_raise(error, step);
	else
		result = PyBytes_FromStringAndSize((const char *)tids,
		    (Py_ssize_t)(n * sizeof(*tids)));
	free(tids);
	return result;
}

const char td_unix_doc[] =
    "unix_sockets(scope=None)\n--\n\n"
    "The connected UNIX sockets that were made in a network namespace.\n\n"
    "Native uint32, three each, packed: the inode, that of the socket it is\n"
    "connected to, and whether it has a name, as what a listener accepted.\n"
    "Raises OSError with .step, ENOTSUP where peers do not show.  unix(7).";

PyObject *
td_unix_bytes(PyObject *module, PyObject *args, PyObject *kwargs)
{
	PyObject *result = NULL;
	struct td_unix *all;
	const char *step = "";
	int scope, error = -EINTR;
	size_t n;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	while (error == -EINTR && PyErr_CheckSignals() == 0) {
		all = NULL;
		n = 0;
		Py_BEGIN_ALLOW_THREADS
		error = td_unix_sockets(scope, &all, &n, &step);
		Py_END_ALLOW_THREADS
		if (error == 0)
			result = PyBytes_FromStringAndSize((const char *)all,
			    (Py_ssize_t)(n * sizeof(*all)));
		else if (error != -EINTR)
			(void)td_raise(error, step);
		free(all);
	}
	return result;
}
