/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _conversation.c - what stays open from one exact request to the next.  A
 * capsule, so that nobody else has the descriptor and a lost one is closed; and
 * by one thread at a time, or it would read the answer to another's request.
 */
#include "_boundary.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

struct kept {
	struct td_conversation c; /* first: &kept->c is kept */
	atomic_flag busy;
};

static const char kept_name[] = "tcpdrop._tcpdrop conversation";

static void
hang_up(struct td_conversation *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
free_kept(PyObject *capsule)
{
	struct kept *kept = PyCapsule_GetPointer(capsule, kept_name);

	hang_up(&kept->c);
	PyMem_Free(kept);
}

struct td_conversation *
td_take_conversation(PyObject *object, struct td_conversation *own)
{
	struct kept *kept;

	if (object != NULL && PyCapsule_IsValid(object, kept_name)) {
		kept = PyCapsule_GetPointer(object, kept_name);
		if (!atomic_flag_test_and_set(&kept->busy))
			return &kept->c;
		td_raise(-EBUSY, "conversation");
		return NULL;
	}
	own->fd = -1;
	own->seq = 0;
	return td_get_scope(object, &own->scope) ? own : NULL;
}

void
td_give_back(PyObject *object, struct td_conversation *c)
{
	if (object != NULL && PyCapsule_IsValid(object, kept_name))
		atomic_flag_clear(&((struct kept *)c)->busy);
	else
		hang_up(c);
}

const char td_converse_doc[] =
    "converse(scope=None)\n--\n\n"
    "A conversation in this scope, for lookup_each() and abort() to take as theirs.\n\n"
    "Its first request opens a socket, in the namespace of then, and the next ones\n"
    "use it, until end().  A second thread that talks meanwhile gets EBUSY.";

PyObject *
td_converse(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct kept *kept;
	PyObject *capsule;
	int scope;

	(void)module;
	if (!td_get_scope_alone(args, kwargs, &scope))
		return NULL;
	kept = PyMem_Calloc(1, sizeof(*kept));
	if (kept == NULL)
		return PyErr_NoMemory();
	kept->c.scope = scope;
	kept->c.fd = -1;
	atomic_flag_clear(&kept->busy);
	capsule = PyCapsule_New(kept, kept_name, free_kept);
	if (capsule == NULL)
		PyMem_Free(kept);
	return capsule;
}

const char td_end_doc[] =
    "end(conversation, /)\n--\n\n"
    "Close what a conversation has open; one that is forgotten does so when it is freed.";

PyObject *
td_end(PyObject *module, PyObject *conversation)
{
	struct td_conversation *c;

	(void)module;
	if (!PyCapsule_IsValid(conversation, kept_name)) {
		PyErr_SetString(PyExc_TypeError, "not a conversation");
		return NULL;
	}
	c = td_take_conversation(conversation, NULL);
	if (c == NULL)
		return NULL;
	hang_up(c);
	td_give_back(conversation, c);
	Py_RETURN_NONE;
}
