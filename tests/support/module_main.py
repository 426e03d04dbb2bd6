# SPDX-License-Identifier: BSD-2-Clause
"""Runs modules of the collection one after another, each in a child that finds Ansible's library loaded.

Run by support/engine.py with a JSON list of [module, its arguments]; prints one
of [exit status, stdout, stderr].
"""

import json
import os
import runpy
import sys
import tempfile

from ansible.module_utils import basic


def child(name, arguments, out, err):
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    # basic.py takes its arguments from here where nobody packed a module; the second name is newer than 2.18.
    basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = arguments.encode(), "legacy"
    status = 0
    try:
        runpy.run_module("ansible_collections.tcpdrop.net.plugins.modules." + name, run_name="__main__")
    except SystemExit as e:
        status = e.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def call(name, arguments):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(name, arguments, out, err)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        return [status, out.read().decode(), err.read().decode()]


print(json.dumps([call(*one) for one in json.loads(sys.argv[1])]))
