#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/newest.sh [MINOR]: the newest CPython at hand, 3.MINOR at most (14 unless given);
# python3 where none of 3.9 and later has its own name.
set -eu
minor=${1:-14}
while [ "$minor" -ge 9 ]; do
	for candidate in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3."$minor"; do
		if "$candidate" -c 'import ensurepip' 2>/dev/null; then
			"$candidate" -c 'import sys; print(sys.executable)'
			exit 0
		fi
	done
	minor=$((minor - 1))
done
echo python3
