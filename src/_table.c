/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _table.c - the packed rows as a Python sequence, and errno as an OSError.
 * It makes a Python object of a row only when one is asked for.
 */
#include "_boundary.h"

#include <errno.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------- */

/* OSError(errno, text) of the right subclass, with the failing call in .step */
PyObject *
td_raise(int error, const char *step)
{
	PyObject *type, *value, *trace, *name;

	if (PyErr_Occurred())
		return NULL; /* what a signal's handler raised */
	if (error == -ENOMEM)
		return PyErr_NoMemory();
	errno = -error;
	PyErr_SetFromErrno(PyExc_OSError);
	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	name = PyUnicode_FromString(step);
	if (name == NULL || value == NULL ||
	    PyObject_SetAttrString(value, "step", name) != 0)
		PyErr_Clear(); /* the error itself matters more than its step */
	Py_XDECREF(name);
	PyErr_Restore(type, value, trace);
	return NULL;
}

/* ---- the table ---------------------------------------------------------- */

typedef struct {
	PyObject_HEAD
	struct td_rows rows;
} table;

const struct td_rows *
td_table_rows(PyObject *self)
{
	return &((table *)self)->rows;
}

static void
table_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	td_rows_free(&((table *)self)->rows);
	release(self);
	Py_DECREF(type);
}

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	(void)type, (void)args, (void)kwargs;
	PyErr_SetString(PyExc_TypeError,
	    "a Table comes from list_connections()");
	return NULL;
}

static Py_ssize_t
table_length(PyObject *self)
{
	return (Py_ssize_t)((table *)self)->rows.count;
}

static PyObject *
table_item(PyObject *self, Py_ssize_t i)
{
	const struct td_rows *rows = &((table *)self)->rows;

	if (i < 0 || (size_t)i >= rows->count) {
		PyErr_SetString(PyExc_IndexError, "Table index out of range");
		return NULL;
	}
	return PyBytes_FromStringAndSize(
	    (const char *)rows->data + (size_t)i * rows->stride,
	    (Py_ssize_t)rows->stride);
}

/* table[i]; that a negative one counts from the end is not left to Python: PyPy forgets it. */
static PyObject *
table_subscript(PyObject *self, PyObject *key)
{
	Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);

	if (i == -1 && PyErr_Occurred())
		return NULL;
	return table_item(self, i < 0 ? i + table_length(self) : i);
}

static PyObject *
table_tobytes(PyObject *self, PyObject *unused)
{
	const struct td_rows *rows = &((table *)self)->rows;

	(void)unused;
	return PyBytes_FromStringAndSize((const char *)rows->data,
	    (Py_ssize_t)(rows->count * rows->stride));
}

static PyObject *
table_get_stride(PyObject *self, void *unused)
{
	(void)unused;
	return PyLong_FromSize_t(((table *)self)->rows.stride);
}

static PyMethodDef table_methods[] = {
	{"tobytes", table_tobytes, METH_NOARGS,
	    "tobytes($self, /)\n--\n\nAll rows, one behind the other."},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef table_getset[] = {
	{"stride", table_get_stride, NULL, "Bytes a row.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot table_slots[] = {
	{Py_tp_doc, "An immutable sequence of packed rows (bytes)."},
	{Py_tp_dealloc, (void *)table_dealloc},
	{Py_tp_new, (void *)table_new},
	{Py_tp_methods, table_methods},
	{Py_tp_getset, table_getset},
	{Py_tp_iter, (void *)PySeqIter_New},
	{Py_sq_length, (void *)table_length},
	{Py_sq_item, (void *)table_item},
	{Py_mp_subscript, (void *)table_subscript},
	{0, NULL},
};

PyType_Spec td_table_spec = {
	.name = "tcpdrop._tcpdrop.Table",
	.basicsize = sizeof(table),
#ifdef Py_TPFLAGS_IMMUTABLETYPE
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
#else
	.flags = Py_TPFLAGS_DEFAULT,
#endif
	.slots = table_slots,
};

PyObject *
td_table_new(PyObject *table_type, struct td_rows *rows)
{
	PyTypeObject *type = (PyTypeObject *)table_type;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	PyObject *self = alloc(type, 0);

	if (self == NULL)
		td_rows_free(rows);
	else
		((table *)self)->rows = *rows;
	return self;
}
