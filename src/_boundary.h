/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _boundary.h - what the two files that know Python share.  They stay inside
 * the limited API of 3.9.
 */
#ifndef TD_BOUNDARY_H
#define TD_BOUNDARY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "backend.h"

/* Raise OSError(-error), its failing call in .step, and return NULL. */
PyObject *td_raise(int error, const char *step);

extern PyType_Spec td_table_spec;

/* A new Table that owns `rows`; they are freed on failure. */
PyObject *td_table_new(PyObject *table_type, struct td_rows *rows);

const struct td_rows *td_table_rows(PyObject *table);

#endif
