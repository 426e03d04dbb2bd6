/* SPDX-License-Identifier: BSD-2-Clause */
/* _arguments.c - Python arguments into C, checked before anything is opened. */
#include "_boundary.h"

#include <string.h>

int
td_get_scope(PyObject *object, int *scope)
{
	long value;

	*scope = TD_OWN_SCOPE;
	if (object == NULL || object == Py_None)
		return 1;
	object = PyNumber_Index(object); /* AsLong() takes a float in 3.9 */
	if (object == NULL)
		return 0;
	value = PyLong_AsLong(object);
	Py_DECREF(object);
	if (value == -1 && PyErr_Occurred())
		return 0;
	if (value < -1 || value > INT_MAX) {
		PyErr_SetString(PyExc_ValueError,
		    "scope: not a descriptor or zone id");
		return 0;
	}
	*scope = (int)value;
	return 1;
}

int
td_get_scope_alone(PyObject *args, PyObject *kwargs, int *scope)
{
	static char *names[] = {"scope", NULL};
	PyObject *object = NULL;

	return PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &object) &&
	    td_get_scope(object, scope);
}

int
td_get_tuple(const struct td_tuple_args *a, struct td_tuple *t)
{
	const char *why = NULL;

	memset(t, 0, sizeof(*t));
	if (a->laddr_size != a->raddr_size)
		why = "the addresses are of different families";
	else if (a->laddr_size != 4 && a->laddr_size != 16)
		why = "an address is 4 or 16 bytes";
	else if (a->lport < 0 || a->lport > 65535 || a->rport < 0 ||
	    a->rport > 65535)
		why = "a port is 1 to 65535";
	else if (a->ifindex < 0 || a->ifindex > INT32_MAX)
		why = "an interface index is 0 to 2147483647";
	if (why == NULL) {
		t->family = a->laddr_size == 4 ? 4 : 6;
		memcpy(t->laddr, a->laddr, (size_t)a->laddr_size);
		memcpy(t->raddr, a->raddr, (size_t)a->raddr_size);
		t->lport = (uint16_t)a->lport;
		t->rport = (uint16_t)a->rport;
		t->ifindex = (uint32_t)a->ifindex;
		t->cookie = a->cookie;
		(void)td_tuple_check(t, &why);
	}
	if (why != NULL)
		PyErr_Format(PyExc_ValueError, "refused: %s", why);
	return why == NULL;
}

int
td_get_cookie(PyObject *object, unsigned long long *cookie)
{
	*cookie = 0;
	if (object == NULL)
		return 1;
	*cookie = PyLong_AsUnsignedLongLong(object);
	return *cookie != (unsigned long long)-1 || !PyErr_Occurred();
}
