/* SPDX-License-Identifier: BSD-2-Clause */
/* _lookup.c - which connection has this four-tuple?  Asked exactly, never by a dump. */
#include "_boundary.h"

#include <stdlib.h>
#include <string.h>

const char td_lookup_doc[] =
    "lookup(laddr, lport, raddr, rport, *, ifindex=0, scope=None)\n--\n\n"
    "The row of the connection with exactly this tuple; never a listener.\n\n"
    "Addresses are 4 or 16 bytes.  An IPv4 tuple also finds the connection\n"
    "carried by an IPv6 socket.  A socket bound to an interface is found only\n"
    "with its index.  Raises ValueError for a wildcard, else OSError with .step.";

PyObject *
td_lookup_row(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"laddr", "lport", "raddr", "rport", "ifindex",
	    "scope", NULL};
	struct td_tuple_args a = {.cookie = 0};
	struct td_tuple tuple;
	struct td_row row;
	const char *step = "";
	PyObject *scope_object = NULL;
	int scope, error;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#ly#l|$LO", names,
		&a.laddr, &a.laddr_size, &a.lport, &a.raddr, &a.raddr_size,
		&a.rport, &a.ifindex, &scope_object) ||
	    !td_get_scope(scope_object, &scope) || !td_get_tuple(&a, &tuple))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_lookup(&tuple, scope, &row, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	return PyBytes_FromStringAndSize((const char *)&row, sizeof(row));
}

const char td_lookup_each_doc[] =
    "lookup_each(laddr, lport, raddr, rport, ifindices, *, scope=None)\n--\n\n"
    "The rows of the connections with exactly this tuple, packed, each once.\n\n"
    "ifindices: native uint32, packed; 0 is a socket bound to no interface.  As\n"
    "lookup() with each of them, over one socket.  Raises ValueError for a\n"
    "wildcard, else OSError with .step; no connection is no error.";

PyObject *
td_lookup_rows(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"laddr", "lport", "raddr", "rport", "ifindices",
	    "scope", NULL};
	struct td_tuple_args a = {.cookie = 0};
	struct td_rows rows = {.stride = sizeof(struct td_row)};
	struct td_tuple tuple;
	const char *packed, *step = "";
	PyObject *scope_object = NULL, *result = NULL;
	uint32_t *ifindices;
	Py_ssize_t size;
	int scope, error;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#ly#ly#|$O", names,
		&a.laddr, &a.laddr_size, &a.lport, &a.raddr, &a.raddr_size,
		&a.rport, &packed, &size, &scope_object) ||
	    !td_get_scope(scope_object, &scope) || !td_get_tuple(&a, &tuple))
		return NULL;
	if (size % (Py_ssize_t)sizeof(*ifindices) != 0)
		return PyErr_Format(PyExc_ValueError,
		    "ifindices: not a whole number of uint32");
	ifindices = malloc((size_t)size + 1);
	if (ifindices == NULL)
		return PyErr_NoMemory();
	memcpy(ifindices, packed, (size_t)size);
	Py_BEGIN_ALLOW_THREADS
	error = td_lookup_each(&tuple, ifindices,
	    (size_t)size / sizeof(*ifindices), scope, &rows, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		(void)td_raise(error, step);
	else
		result = PyBytes_FromStringAndSize((const char *)rows.data,
		    (Py_ssize_t)(rows.count * rows.stride));
	td_rows_free(&rows);
	free(ifindices);
	return result;
}
