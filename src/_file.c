/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _file.c - is there such a file?  Mostly there is none, and Python's exception
 * for that takes longer than the look.
 */
#include "_boundary.h"

#include <errno.h>
#include <sys/stat.h>

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
