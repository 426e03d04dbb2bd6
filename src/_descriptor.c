/* SPDX-License-Identifier: BSD-2-Clause */
/* _descriptor.c - what Python asks of descriptors: whose connection, abort it. */
#include "_boundary.h"

#include <string.h>

PyDoc_STRVAR(descriptor_doc,
    "abort_descriptor(fd, laddr, lport, raddr, rport, *, cookie=0)\n--\n\n"
    "Abort through a descriptor of the socket itself: needs no privilege.\n\n"
    "Raises as abort(); ENOENT when fd is not the socket of this tuple (and\n"
    "cookie).  connect(2), AF_UNSPEC.");

static PyObject *
abort_descriptor(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"fd", "laddr", "lport", "raddr", "rport",
	    "cookie", NULL};
	struct td_tuple_args a = {.cookie = 0};
	struct td_tuple tuple;
	const char *step = "";
	PyObject *cookie = NULL;
	int fd, error;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iy#ly#l|$O", names, &fd,
		&a.laddr, &a.laddr_size, &a.lport, &a.raddr, &a.raddr_size,
		&a.rport, &cookie) ||
	    !td_get_cookie(cookie, &a.cookie) || !td_get_tuple(&a, &tuple))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_abort_descriptor(fd, &tuple, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(held_doc,
    "abort_held(pid, fd, laddr, lport, raddr, rport, *, cookie, inode,\n"
    "           ifindex=0, dry_run=False, scope=None)\n--\n\n"
    "Abort the connection behind a process's descriptor, if it is that socket.\n\n"
    "Only the socket with this tuple and cookie, or the MPTCP socket with this\n"
    "tuple and inode: its subflow has the cookie.  Returns 0 TCP, 1 MPTCP, 2 TCP\n"
    "in repair, of whose end the peer hears nothing.\n"
    "Another's process needs the rights of ptrace(2).  Raises OSError with\n"
    ".step: ENOENT, EBADF, ESRCH the number means something else by now, EPERM,\n"
    "EBUSY, EOPNOTSUPP a further MPTCP subflow.  pidfd_getfd(2), connect(2).");

static PyObject *
abort_held(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"pid", "fd", "laddr", "lport", "raddr", "rport",
	    "cookie", "inode", "ifindex", "dry_run", "scope", NULL};
	struct td_tuple_args a = {.cookie = 0};
	struct td_tuple tuple;
	const char *step = "";
	PyObject *cookie = NULL, *inode_object = NULL, *scope_object = NULL;
	unsigned long long inode;
	int pid, fd, scope, dry_run = 0, kind = TD_HELD_TCP, error;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iiy#ly#l|$OOLpO", names,
		&pid, &fd, &a.laddr, &a.laddr_size, &a.lport, &a.raddr,
		&a.raddr_size, &a.rport, &cookie, &inode_object, &a.ifindex,
		&dry_run, &scope_object) ||
	    !td_get_scope(scope_object, &scope) ||
	    !td_get_cookie(cookie, &a.cookie) ||
	    !td_get_cookie(inode_object, &inode) || !td_get_tuple(&a, &tuple))
		return NULL;
	if (tuple.cookie == 0 || inode == 0)
		return PyErr_Format(PyExc_ValueError,
		    "refused: without cookie and inode it could be another socket");
	Py_BEGIN_ALLOW_THREADS
	error = td_abort_held(pid, fd, &tuple, inode, scope, dry_run, &kind,
	    &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	return PyLong_FromLong(kind);
}

PyDoc_STRVAR(socket_doc,
    "socket_of(pid, fd, /)\n--\n\n"
    "The row of the connection behind another process's descriptor: family,\n"
    "addresses, ports and cookie are filled in.  Needs the rights of ptrace(2).\n"
    "Raises OSError with .step: ENOENT when it is no connected TCP socket.\n"
    "pidfd_getfd(2).");

static PyObject *
socket_of(PyObject *module, PyObject *args)
{
	struct td_row row;
	const char *step = "";
	int pid, fd, error;

	(void)module;
	if (!PyArg_ParseTuple(args, "ii", &pid, &fd))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_socket_of(pid, fd, &row, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	return PyBytes_FromStringAndSize((const char *)&row, sizeof(row));
}

PyDoc_STRVAR(cut_doc,
    "pipe_is_cut(pid, fd, inode, /)\n--\n\n"
    "Has nobody the other end of this pipe that a process's descriptor is?\n\n"
    "Needs the rights of ptrace(2).  Raises OSError with .step: ENOENT when it is\n"
    "not that pipe.  pidfd_getfd(2), pipe(7), poll(2).");

static PyObject *
pipe_is_cut(PyObject *module, PyObject *args)
{
	const char *step = "";
	unsigned long long inode;
	int pid, fd, cut = 0, error;

	(void)module;
	if (!PyArg_ParseTuple(args, "iiK", &pid, &fd, &inode))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	error = td_pipe_is_cut(pid, fd, inode, &cut, &step);
	Py_END_ALLOW_THREADS
	if (error != 0)
		return td_raise(error, step);
	return PyBool_FromLong(cut);
}

PyMethodDef td_descriptor_functions[] = {
	TD_FUNCTION("abort_descriptor", abort_descriptor, descriptor_doc),
	TD_FUNCTION("abort_held", abort_held, held_doc),
	{"socket_of", socket_of, METH_VARARGS, socket_doc},
	{"pipe_is_cut", pipe_is_cut, METH_VARARGS, cut_doc},
	{NULL, NULL, 0, NULL},
};
