#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/pythons.sh TARGET [PYTHON...]: make this target (test, test-python, prepare-python)
# in a venv of each Python.  Without any named: the oldest supported one that is at hand.
# tools/pythons.sh all: names all at hand: CPython 3.9 to 3.14, those without a GIL, PyPy.
# PYTHONS_ARGS: for pytest.
set -eu
cd "$(dirname "$0")/.."
target=$1
shift

# The first that works of these names, as PATH, pyenv and /opt have them.
first() {
	for name; do
		for candidate in "$name" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/"$name" /opt/python*/bin/"$name"; do
			if "$candidate" -c 'import ensurepip' 2>/dev/null; then
				command -v "$candidate"
				return
			fi
		done
	done
}

if [ "$target" = all ]; then
	for name in python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 python3.13t python3.14t pypy3; do
		found=$(first $name)
		[ -n "$found" ] && echo "$found" || echo "SKIPPED: no $name on this machine" >&2
	done
	exit
fi
[ $# -gt 0 ] || set -- $(first python3.9 python3.10)
[ $# -gt 0 ] || { echo "SKIPPED: no CPython 3.9 or 3.10 on this machine"; exit 0; }
# What has no wheel for one without a GIL may have had one for all in an older version.
export PIP_PREFER_BINARY=1
for python; do
	version=$("$python" -c 'import sys, sysconfig
kind = "pypy" if sys.implementation.name == "pypy" else ""
print(kind + "%d.%d" % sys.version_info[:2] + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))')
	echo "== Python $version"
	make --no-print-directory PYTHON="$python" VENV=".venv-$version" ARGS="${PYTHONS_ARGS:-}" "$target"
done
