#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/needs.sh PYTHON: what a build needs and this system lacks, by Debian's
# names.  ./try installs that, make says it.
python=${1:-python3}
command -v make >/dev/null || echo make
command -v cc >/dev/null || command -v gcc >/dev/null || echo gcc
if ! command -v "$python" >/dev/null; then
	echo python3 python3-dev python3-venv
	exit
fi
"$python" -I -c 'import ensurepip' 2>/dev/null || echo python3-venv
"$python" -I -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || echo python3-dev
