#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/pythons.sh TARGET [PYTHON...]: make this target (test, prepare-python) in a
# venv of each CPython.  Without any named: the oldest supported one that is at hand.
# PYTHONS_ARGS: for pytest.
set -eu
cd "$(dirname "$0")/.."
target=$1
shift
if [ $# -eq 0 ]; then
	for candidate in python3.9 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.9.*/bin/python3.9 python3.10; do
		if "$candidate" -c 'import ensurepip' 2>/dev/null; then
			set -- "$candidate"
			break
		fi
	done
fi
[ $# -gt 0 ] || { echo "SKIPPED: no CPython 3.9 or 3.10 on this machine"; exit 0; }
for python; do
	version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	echo "== CPython $version"
	make --no-print-directory PYTHON="$python" VENV=".venv-$version" ARGS="${PYTHONS_ARGS:-}" "$target"
done
