# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop as it is on a system that nobody wrote a backend for, in a directory of its own."""

import os
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest

import tcpdrop

TOP = Path(__file__).resolve().parents[2]


def sources():
    """The C files by setup.py's own table, without setuptools."""
    asked = []
    stub = types.ModuleType("setuptools")
    stub.Extension = lambda name, files, **_: asked.extend(files)
    stub.setup = lambda **_: None
    command = types.ModuleType("setuptools.command.build_ext")
    command.build_ext = object
    stubs = {"setuptools": stub, "setuptools.command": types.ModuleType("setuptools.command"), command.__name__: command}
    before = {name: sys.modules.get(name) for name in stubs}
    backend, place = os.environ.get("TCPDROP_BACKEND"), Path.cwd()
    sys.modules.update(stubs)
    os.environ["TCPDROP_BACKEND"] = "unsupported"
    os.chdir(TOP)  # setup.py lists src/
    try:
        runpy.run_path("setup.py")
    finally:
        os.chdir(place)
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.__setitem__(name, module)
        if backend is None:
            del os.environ["TCPDROP_BACKEND"]
        else:
            os.environ["TCPDROP_BACKEND"] = backend
    return asked


def build(directory):
    """Returns the directory to put on sys.path."""
    include = sysconfig.get_path("include")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None or not Path(include, "Python.h").exists():
        pytest.skip("no C compiler or no Python.h here")
    package = directory / "tcpdrop"
    shutil.copytree(Path(tcpdrop.__file__).parent, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    module = package / f"_tcpdrop{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run([*compiler, "-shared", "-fPIC", f"-I{include}", "-o", module, *sources(), "-lpthread"], check=True, cwd=TOP)
    return directory
