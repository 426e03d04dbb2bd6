/* SPDX-License-Identifier: BSD-2-Clause */
/* _route.c - what Python asks of routing: the way out, the rules, the devices. */
#include "_boundary.h"

#include <stdlib.h>
#include <string.h>

/* Answers of `size` bytes for each of n questions, aligned as both must be. */
struct asked {
	void *questions;
	void *answers;
	size_t n;
};

/* 1, or 0 and an exception. */
static int
prepare(struct asked *a, const char *packed, Py_ssize_t length, size_t question,
    size_t answer, const char *name)
{
	a->n = (size_t)length / question;
	if ((size_t)length % question != 0) {
		PyErr_Format(PyExc_ValueError, "%s: not a whole number of them",
		    name);
		return 0;
	}
	a->questions = malloc((size_t)length + 1);
	a->answers = calloc(a->n + 1, answer);
	if (a->questions == NULL || a->answers == NULL) {
		PyErr_NoMemory();
		return 0;
	}
	memcpy(a->questions, packed, (size_t)length);
	return 1;
}

/* The answers as bytes, or the exception of this error; `a` is freed. */
static PyObject *
finish(struct asked *a, int ready, int error, const char *step, size_t answer)
{
	PyObject *result = NULL;

	if (ready && error != 0)
		(void)td_raise(error, step);
	else if (ready)
		result = PyBytes_FromStringAndSize(a->answers,
		    (Py_ssize_t)(a->n * answer));
	free(a->questions);
	free(a->answers);
	return result;
}

PyDoc_STRVAR(routes_doc,
    "routes(rows, scope=None)\n--\n\n"
    "By which device a packet of each of these packed rows leaves.\n\n"
    "A pair of native uint32 each: 0 and the interface index, or an errno and 0\n"
    "where there is no way.  Needs no privilege.  Raises OSError with .step.\n"
    "rtnetlink(7).");

static PyObject *
routes(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"rows", "scope", NULL};
	struct asked a = {NULL, NULL, 0};
	PyObject *scope_object = NULL;
	const char *packed, *step = "";
	Py_ssize_t length;
	int scope, ready, error = 0;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#|O", names, &packed,
		&length, &scope_object) ||
	    !td_get_scope(scope_object, &scope))
		return NULL;
	ready = prepare(&a, packed, length, sizeof(struct td_row),
	    sizeof(struct td_route), "rows");
	if (ready) {
		Py_BEGIN_ALLOW_THREADS
		error = td_routes(a.questions, a.n, scope, a.answers, &step);
		Py_END_ALLOW_THREADS
	}
	return finish(&a, ready, error, step, sizeof(struct td_route));
}

PyDoc_STRVAR(links_doc,
    "links(ifindices, scope=None)\n--\n\n"
    "The devices with these indices (native uint32, packed).\n\n"
    "Three native uint32 each: an errno or 0, flags, and the index of the device\n"
    "that it is a port of, or 0.  Flags: 1 it is up and has a carrier, 2 what it\n"
    "sends comes to this host itself.\n"
    "Needs no privilege.  Raises OSError with .step.  rtnetlink(7).");

static PyObject *
links(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"ifindices", "scope", NULL};
	struct asked a = {NULL, NULL, 0};
	PyObject *scope_object = NULL;
	const char *packed, *step = "";
	Py_ssize_t length;
	int scope, ready, error = 0;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#|O", names, &packed,
		&length, &scope_object) ||
	    !td_get_scope(scope_object, &scope))
		return NULL;
	ready = prepare(&a, packed, length, sizeof(uint32_t),
	    sizeof(struct td_link), "ifindices");
	if (ready) {
		Py_BEGIN_ALLOW_THREADS
		error = td_links(a.questions, a.n, scope, a.answers, &step);
		Py_END_ALLOW_THREADS
	}
	return finish(&a, ready, error, step, sizeof(struct td_link));
}

PyDoc_STRVAR(rules_doc,
    "rules(scope=None)\n--\n\n"
    "What the policy rules look at beside the destination, IPv4's and IPv6's.\n\n"
    "Bits: 1 the source, 2 the mark, 4 the uid, 8 ports, 16 what no row shows.\n"
    "Needs no privilege.  Raises OSError with .step.  ip-rule(8).");

static PyObject *
rules(PyObject *module, PyObject *args, PyObject *kwargs)
{
	const char *step = "";
	uint32_t ipv4 = 0, ipv6 = 0;
	int scope, error;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	do {
		Py_BEGIN_ALLOW_THREADS
		error = td_rules(scope, &ipv4, &ipv6, &step);
		Py_END_ALLOW_THREADS
	} while (error == -EINTR && PyErr_CheckSignals() == 0);
	if (error != 0)
		return td_raise(error, step);
	return Py_BuildValue("II", ipv4, ipv6);
}

PyMethodDef td_route_functions[] = {
	TD_FUNCTION("routes", routes, routes_doc),
	TD_FUNCTION("links", links, links_doc),
	TD_FUNCTION("rules", rules, rules_doc),
	{NULL, NULL, 0, NULL},
};
