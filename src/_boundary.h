/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _boundary.h - what the files that know Python share.  They stay inside
 * the limited API of 3.9.
 */
#ifndef TD_BOUNDARY_H
#define TD_BOUNDARY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "backend.h"

/*
 * Raise OSError(-error), its failing call in .step, and return NULL.  An
 * exception that is there already stays.
 */
PyObject *td_raise(int error, const char *step);

extern PyType_Spec td_table_spec;

#define TD_FUNCTION(name, function, doc) \
	{name, (PyCFunction)(void (*)(void))(function), \
	    METH_VARARGS | METH_KEYWORDS, doc}

/* The functions of _descriptor.c and _route.c; the rest are _tcpdrop.c's own. */
extern PyMethodDef td_descriptor_functions[], td_route_functions[];

/* A new Table that owns `rows`; they are freed on failure. */
PyObject *td_table_new(PyObject *table_type, struct td_rows *rows);

const struct td_rows *td_table_rows(PyObject *table);

/* The module's functions that stand in files of their own. */
extern const char td_lookup_doc[], td_lookup_each_doc[];
PyObject *td_lookup_row(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *td_lookup_rows(PyObject *module, PyObject *args, PyObject *kwargs);
extern const char td_converse_doc[], td_end_doc[];
PyObject *td_converse(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *td_end(PyObject *module, PyObject *conversation);
extern const char td_classic_lines_doc[], td_process_doc[], td_thread_tables_doc[],
    td_unix_doc[], td_is_absent_doc[], td_is_fifo_doc[];
PyObject *td_classic_lines(PyObject *module, PyObject *args);
PyObject *td_is_absent(PyObject *module, PyObject *path);
PyObject *td_is_fifo(PyObject *module, PyObject *path);
PyObject *td_process_tuple(PyObject *module, PyObject *args);
PyObject *td_thread_tables_bytes(PyObject *module, PyObject *args);
PyObject *td_unix_bytes(PyObject *module, PyObject *args, PyObject *kwargs);

/* What PyArg_Parse gives for an exact request. */
struct td_tuple_args {
	const char *laddr, *raddr;
	Py_ssize_t laddr_size, raddr_size;
	long lport, rport;
	long long ifindex;
	unsigned long long cookie;
};

/*
 * 1, or 0 and an exception.  None is TD_OWN_SCOPE; a tuple that is not exact
 * is a ValueError; PyArg_Parse would not check a 64-bit cookie for overflow.
 */
int td_get_scope(PyObject *object, int *scope);
int td_get_scope_alone(PyObject *args, PyObject *kwargs, int *scope);
int td_get_tuple(const struct td_tuple_args *a, struct td_tuple *tuple);
int td_get_cookie(PyObject *object, unsigned long long *cookie);

/*
 * The conversation that `object` is, or `own` in the scope that it is, or NULL
 * and an exception: another thread may have it.  Given back after the request.
 */
struct td_conversation *td_take_conversation(PyObject *object,
    struct td_conversation *own);
void td_give_back(PyObject *object, struct td_conversation *c);

#endif
