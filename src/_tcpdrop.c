/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _tcpdrop.c - the Python boundary: arguments in, GIL out and back, errno into
 * OSError.  Cranky and exact: bytes and ints cross, no text.  It names no
 * operating system, and only a conversation keeps a descriptor.
 */
#include "_boundary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	PyObject *table_type;
} module_state;

/* ---- the functions ------------------------------------------------------ */

PyDoc_STRVAR(list_doc,
    "list_connections(states, program=b'', sport=0, dport=0, *, details=0, "
    "threads=0, scope=None)\n--\n\n"
    "The sockets in these states (mask of 1 << state) as a Table, each once.\n\n"
    "program is inet_diag bytecode (Linux).  A dport leaves listeners out.\n"
    "details=1 puts INFO_FORMAT behind each row, and details=2 asks again for\n"
    "each that has data under way whether this end opened it (Linux).\n"
    "threads=0: as many as are worth it.  scope: descriptor of a network\n"
    "namespace, or a zone id.\n"
    "Raises OSError with .step.  sock_diag(7).");

static PyObject *
list_connections(PyObject *module, PyObject *args, PyObject *kwargs)
{
	module_state *state = PyModule_GetState(module);
	static char *names[] = {"states", "program", "sport", "dport",
	    "details", "threads", "scope", NULL};
	struct td_query query = {.states = 0};
	struct td_rows rows = {.data = NULL};
	const char *program = "", *step = "";
	Py_ssize_t size = 0;
	PyObject *scope = NULL;
	int states, details = 0, sport = 0, dport = 0, error;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|y#ii$iiO", names,
		&states, &program, &size, &sport, &dport, &details,
		&query.threads, &scope) ||
	    !td_get_scope(scope, &query.scope))
		return NULL;
	if (states < 0 || ((unsigned)states & ~TD_ALL_STATES) != 0 ||
	    sport < 0 || sport > 65535 || dport < 0 || dport > 65535 ||
	    details < 0 || (unsigned)details > TD_DETAIL_OPENERS ||
	    query.threads < 0)
		return PyErr_Format(PyExc_ValueError,
		    "an argument is out of range");
	query.states = (unsigned)states;
	query.sport = (uint16_t)sport;
	query.dport = (uint16_t)dport;
	query.program = program;
	query.program_size = (size_t)size;
	query.details = (unsigned)details;
	rows.stride = sizeof(struct td_row) +
	    (details ? sizeof(struct td_info) : 0);
	do {
		td_rows_free(&rows);
		Py_BEGIN_ALLOW_THREADS
		error = td_list(&query, &rows, &step);
		Py_END_ALLOW_THREADS
	} while (error == -EINTR && PyErr_CheckSignals() == 0);
	if (error == 0)
		return td_table_new(state->table_type, &rows);
	td_rows_free(&rows);
	return td_raise(error, step);
}

PyDoc_STRVAR(abort_doc,
    "abort(laddr, lport, raddr, rport, *, ifindex=0, cookie=0, scope=None)\n"
    "--\n\n"
    "Abort the one connection of this tuple, or raise; never a listener.\n\n"
    "With a cookie only that very socket.  scope may be a conversation.  Raises\n"
    "ValueError for a wildcard before anything is opened, else OSError with\n"
    ".step: ENOENT no such connection, EPERM not permitted, EOPNOTSUPP not\n"
    "supported.  sock_diag(7).");

static PyObject *
abort_connection(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"laddr", "lport", "raddr", "rport", "ifindex",
	    "cookie", "scope", NULL};
	struct td_tuple_args a = {.cookie = 0};
	struct td_tuple tuple;
	const char *step = "";
	PyObject *scope = NULL, *cookie = NULL;
	struct td_conversation own, *c;
	int error;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#ly#l|$LOO", names,
		&a.laddr, &a.laddr_size, &a.lport, &a.raddr, &a.raddr_size,
		&a.rport, &a.ifindex, &cookie, &scope) ||
	    !td_get_cookie(cookie, &a.cookie) || !td_get_tuple(&a, &tuple) ||
	    (c = td_take_conversation(scope, &own)) == NULL)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_abort(&tuple, c, &step);
	Py_END_ALLOW_THREADS
	td_give_back(scope, c);
	if (error != 0)
		return td_raise(error, step);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(rows_doc,
    "abort_rows(table, indices, *, threads=0, scope=None)\n--\n\n"
    "Abort table[i] for each i in indices (native uint32, packed) by cookie.\n\n"
    "One errno a row, 0 for dropped, as packed native ints.");

static PyObject *
abort_rows(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"table", "indices", "threads", "scope", NULL};
	module_state *state = PyModule_GetState(module);
	const struct td_rows *rows;
	PyObject *object, *scope_object = NULL, *result;
	const char *indices, *step = "";
	Py_ssize_t size, i, n;
	uint32_t *which;
	int threads = 0, scope, error, *errors;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!y#|$iO", names,
		state->table_type, &object, &indices, &size, &threads,
		&scope_object) ||
	    !td_get_scope(scope_object, &scope))
		return NULL;
	if (size % 4 != 0)
		return PyErr_Format(PyExc_ValueError,
		    "indices: not a whole number of uint32");
	rows = td_table_rows(object);
	n = size / 4;
	which = malloc((size_t)size + 1);
	/* Made before anything is dropped: afterwards nothing may fail. */
	result = PyBytes_FromStringAndSize(NULL, n * (Py_ssize_t)sizeof(*errors));
	if (which == NULL || result == NULL) {
		PyErr_NoMemory();
		goto failed;
	}
	errors = (void *)PyBytes_AsString(result);
	memset(errors, 0, (size_t)n * sizeof(*errors));
	memcpy(which, indices, (size_t)size);
	for (i = 0; i < n; i++)
		if (which[i] >= rows->count) {
			PyErr_SetString(PyExc_IndexError,
			    "indices: beyond the table");
			goto failed;
		}
	Py_BEGIN_ALLOW_THREADS
	error = td_abort_rows(rows, which, (size_t)n, errors, scope, threads,
	    &step);
	Py_END_ALLOW_THREADS
	free(which);
	if (error == 0)
		return result;
	Py_DECREF(result);
	return td_raise(error, step);
failed:
	free(which);
	Py_XDECREF(result);
	return NULL;
}

PyDoc_STRVAR(mptcp_doc,
    "mptcp_sockets(scope=None)\n--\n\n"
    "The MPTCP connections, as a Table; mostly there are none.\n\n"
    "Their subflows are what list_connections() shows, with the same inode.\n"
    "Raises OSError with .step: ENOENT where they cannot be listed.  mptcp(7).");

static PyObject *
mptcp_sockets(PyObject *module, PyObject *args, PyObject *kwargs)
{
	module_state *state = PyModule_GetState(module);
	struct td_rows rows = {.stride = sizeof(struct td_row)};
	const char *step = "";
	int scope, error;

	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	do {
		td_rows_free(&rows);
		Py_BEGIN_ALLOW_THREADS
		error = td_mptcp(scope, &rows, &step);
		Py_END_ALLOW_THREADS
	} while (error == -EINTR && PyErr_CheckSignals() == 0);
	if (error == 0)
		return td_table_new(state->table_type, &rows);
	td_rows_free(&rows);
	return td_raise(error, step);
}

PyDoc_STRVAR(interfaces_doc,
    "interfaces(scope=None)\n--\n\n"
    "The network interfaces of a scope, {name as bytes: index}, other names\n"
    "of one (Linux) behind its own.  Raises OSError with .step.  rtnetlink(7).");

static PyObject *
interfaces(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct td_interface *list = NULL;
	PyObject *result;
	const char *step = "";
	size_t n = 0, i;
	int scope, error;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	do {
		Py_BEGIN_ALLOW_THREADS
		error = td_interfaces(scope, &list, &n, &step);
		Py_END_ALLOW_THREADS
	} while (error == -EINTR && PyErr_CheckSignals() == 0);
	if (error != 0)
		return td_raise(error, step);
	result = PyDict_New();
	for (i = 0; result != NULL && i < n; i++) {
		PyObject *name = PyBytes_FromString(list[i].name);
		PyObject *index = PyLong_FromUnsignedLong(list[i].index);

		if (name == NULL || index == NULL ||
		    PyDict_SetItem(result, name, index) != 0)
			Py_CLEAR(result);
		Py_XDECREF(name);
		Py_XDECREF(index);
	}
	free(list);
	return result;
}

PyDoc_STRVAR(ifindices_doc,
    "ifindices(scope=None)\n--\n\n"
    "The indices of the network interfaces of a scope, native uint32, packed.\n\n"
    "Raises OSError with .step, ENOTSUP where look-ups take none.  rtnetlink(7).");

static PyObject *
ifindices(PyObject *module, PyObject *args, PyObject *kwargs)
{
	PyObject *result;
	const char *step = "";
	uint32_t *list = NULL;
	size_t n = 0;
	int scope, error;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	do {
		Py_BEGIN_ALLOW_THREADS
		error = td_ifindices(scope, &list, &n, &step);
		Py_END_ALLOW_THREADS
	} while (error == -EINTR && PyErr_CheckSignals() == 0);
	if (error != 0)
		return td_raise(error, step);
	result = PyBytes_FromStringAndSize((const char *)list,
	    (Py_ssize_t)(n * sizeof(*list)));
	free(list);
	return result;
}

PyDoc_STRVAR(probe_doc,
    "probe(scope=None)\n--\n\n"
    "Return None if this kernel can abort connections; drops nothing.\n\n"
    "Needs no privilege.  Raises OSError with .step: EOPNOTSUPP when it is\n"
    "built without, EINVAL when it is too old.");

static PyObject *
probe(PyObject *module, PyObject *args, PyObject *kwargs)
{
	const char *step = "";
	int scope, error;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_probe(scope, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	Py_RETURN_NONE;
}

/* ---- the module --------------------------------------------------------- */

static PyMethodDef functions[] = {
	TD_FUNCTION("list_connections", list_connections, list_doc),
	TD_FUNCTION("lookup", td_lookup_row, td_lookup_doc),
	TD_FUNCTION("lookup_each", td_lookup_rows, td_lookup_each_doc),
	TD_FUNCTION("converse", td_converse, td_converse_doc),
	{"end", td_end, METH_O, td_end_doc},
	TD_FUNCTION("abort", abort_connection, abort_doc),
	TD_FUNCTION("abort_rows", abort_rows, rows_doc),
	{"process", td_process_tuple, METH_VARARGS, td_process_doc},
	{"thread_tables", td_thread_tables_bytes, METH_VARARGS,
	    td_thread_tables_doc},
	TD_FUNCTION("unix_sockets", td_unix_bytes, td_unix_doc),
	{"is_absent", td_is_absent, METH_O, td_is_absent_doc},
	{"is_fifo", td_is_fifo, METH_O, td_is_fifo_doc},
	{"classic_lines", td_classic_lines, METH_VARARGS, td_classic_lines_doc},
	TD_FUNCTION("mptcp_sockets", mptcp_sockets, mptcp_doc),
	TD_FUNCTION("interfaces", interfaces, interfaces_doc),
	TD_FUNCTION("ifindices", ifindices, ifindices_doc),
	TD_FUNCTION("probe", probe, probe_doc),
	{NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
	module_state *state = PyModule_GetState(module);

	state->table_type = PyType_FromSpec(&td_table_spec);
	if (state->table_type == NULL)
		return -1;
	Py_INCREF(state->table_type);
	if (PyModule_AddObject(module, "Table", state->table_type) != 0) {
		Py_DECREF(state->table_type);
		return -1;
	}
	if (PyModule_AddStringConstant(module, "BACKEND", td_backend) != 0 ||
	    PyModule_AddFunctions(module, td_descriptor_functions) != 0 ||
	    PyModule_AddFunctions(module, td_route_functions) != 0 ||
	    PyModule_AddStringConstant(module, "ROW_FORMAT", td_row_format) ||
	    PyModule_AddStringConstant(module, "ROW_FIELDS", td_row_fields) ||
	    PyModule_AddStringConstant(module, "INFO_FORMAT", td_info_format) ||
	    PyModule_AddStringConstant(module, "INFO_FIELDS", td_info_fields))
		return -1;
	return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
	module_state *state = PyModule_GetState(module);

	if (state != NULL)
		Py_VISIT(state->table_type);
	return 0;
}

static int
module_clear(PyObject *module)
{
	module_state *state = PyModule_GetState(module);

	if (state != NULL)
		Py_CLEAR(state->table_type);
	return 0;
}

static PyModuleDef_Slot slots[] = {
	{Py_mod_exec, (void *)module_exec},
#ifdef Py_mod_multiple_interpreters
	{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
	{Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
	{0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "tcpdrop._tcpdrop",
	.m_doc = "What the kernel does for tcpdrop; use the tcpdrop package.",
	.m_size = sizeof(module_state),
	.m_methods = functions,
	.m_slots = slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__tcpdrop(void); /* the one symbol we export */

PyMODINIT_FUNC
PyInit__tcpdrop(void)
{
	return PyModuleDef_Init(&definition);
}
