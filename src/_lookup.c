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
    "lookup_each(tuples, ifindices, *, scope=None)\n--\n\n"
    "The rows of the connections with exactly these tuples, packed, each once.\n\n"
    "tuples: a sequence of (laddr, lport, raddr, rport).  ifindices: native\n"
    "uint32, packed; 0 is a socket bound to no interface.  As lookup() of each\n"
    "tuple with each of them, over one socket.  scope may be a conversation.\n"
    "Raises ValueError for a wildcard, else OSError with .step; no connection\n"
    "is no error.";

/* The tuples of a sequence, in memory that the caller frees; NULL with an exception. */
static struct td_tuple *
get_tuples(PyObject *sequence, Py_ssize_t *n)
{
	struct td_tuple *tuples;
	Py_ssize_t i;

	*n = PySequence_Size(sequence);
	if (*n < 0)
		return NULL;
	tuples = PyMem_Calloc((size_t)*n + 1, sizeof(*tuples));
	if (tuples == NULL)
		return (void *)PyErr_NoMemory();
	for (i = 0; i < *n; i++) {
		struct td_tuple_args a = {.cookie = 0};
		PyObject *item = PySequence_GetItem(sequence, i);
		int good = item != NULL &&
		    PyArg_Parse(item, "(y#ly#l);(laddr, lport, raddr, rport) is needed",
			&a.laddr, &a.laddr_size, &a.lport, &a.raddr,
			&a.raddr_size, &a.rport) &&
		    td_get_tuple(&a, &tuples[i]);

		Py_XDECREF(item);
		if (!good) {
			PyMem_Free(tuples);
			return NULL;
		}
	}
	return tuples;
}

/* What td_lookup_each() finds, as bytes. */
static PyObject *
look_up_each(const struct td_tuple *tuples, Py_ssize_t n,
    const uint32_t *ifindices, Py_ssize_t n_ifindices,
    struct td_conversation *c)
{
	struct td_rows rows = {.stride = sizeof(struct td_row)};
	const char *step = "";
	PyObject *result;
	int error;

	Py_BEGIN_ALLOW_THREADS
	error = td_lookup_each(tuples, (size_t)n, ifindices,
	    (size_t)n_ifindices, c, &rows, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		result = td_raise(error, step);
	else
		result = PyBytes_FromStringAndSize((const char *)rows.data,
		    (Py_ssize_t)(rows.count * rows.stride));
	td_rows_free(&rows);
	return result;
}

PyObject *
td_lookup_rows(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"tuples", "ifindices", "scope", NULL};
	struct td_tuple *tuples;
	const char *packed;
	PyObject *sequence, *scope = NULL, *result = NULL;
	struct td_conversation own, *c;
	uint32_t *ifindices;
	Py_ssize_t size, n;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oy#|$O", names,
		&sequence, &packed, &size, &scope))
		return NULL;
	if (size % (Py_ssize_t)sizeof(*ifindices) != 0)
		return PyErr_Format(PyExc_ValueError,
		    "ifindices: not a whole number of uint32");
	tuples = get_tuples(sequence, &n);
	if (tuples == NULL)
		return NULL;
	ifindices = PyMem_Malloc((size_t)size + 1);
	if (ifindices == NULL) {
		PyErr_NoMemory();
	} else if ((c = td_take_conversation(scope, &own)) != NULL) {
		memcpy(ifindices, packed, (size_t)size);
		result = look_up_each(tuples, n, ifindices,
		    size / (Py_ssize_t)sizeof(*ifindices), c);
		td_give_back(scope, c);
	}
	PyMem_Free(ifindices);
	PyMem_Free(tuples);
	return result;
}
