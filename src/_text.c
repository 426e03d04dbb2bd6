/* SPDX-License-Identifier: BSD-2-Clause */
/* _text.c - the one kind of text that C makes for Python: many rows as lines. */
#include "_boundary.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

const char td_classic_lines_doc[] =
    "classic_lines(rows, behind=b'', /)\n--\n\n"
    "LADDR LPORT RADDR RPORT of each packed row (one behind the other, without\n"
    "details) and `behind` it, as lines without the last line's end.";

PyObject *
td_classic_lines(PyObject *module, PyObject *args)
{
	const char *data, *behind = "";
	Py_ssize_t size, behind_size = 0;
	struct td_row row;
	PyObject *result;
	size_t n, i, most;
	char *lines, *p;

	(void)module;
	if (!PyArg_ParseTuple(args, "y#|y#", &data, &size, &behind,
		&behind_size))
		return NULL;
	n = (size_t)size / sizeof(row);
	most = TD_CLASSIC_MAX + (size_t)behind_size + 1;
	if (n * sizeof(row) != (size_t)size || n > SIZE_MAX / most)
		return PyErr_Format(PyExc_ValueError,
		    "rows: not a whole number of packed rows");
	p = lines = malloc(n * most + 1);
	if (lines == NULL)
		return PyErr_NoMemory();
	for (i = 0; i < n; i++) {
		memcpy(&row, data + i * sizeof(row), sizeof(row));
		p += td_put_classic(p, &row);
		memcpy(p, behind, (size_t)behind_size);
		p += behind_size;
		*p++ = '\n';
	}
	result = PyBytes_FromStringAndSize(lines,
	    n == 0 ? 0 : (Py_ssize_t)(p - lines) - 1);
	free(lines);
	return result;
}
