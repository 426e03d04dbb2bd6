#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/venv.sh VENV PYTHON: a venv that works, with what a build needs.  One that
# is half made, was moved, or is of an old Python is made anew; one that belongs to
# another user is left to that.
set -eu
venv=$1
python=$2

works() {
	[ -e "$venv/.made" ] &&
		"$venv/bin/python3" -I -c 'import pip, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null &&
		grep -qsF "$(cd "$venv" && pwd -P)/bin/" "$venv/bin/pip"
}

give_up() {
	echo "$1" >&2
	exit 1
}

theirs=
for place in "$venv" build ./*.egg-info; do
	[ ! -e "$place" ] || [ -w "$place" ] || theirs="$theirs ${place#./}"
done
[ -z "$theirs" ] || give_up "another user made$theirs here (root, by sudo?): as that user  rm -rf$theirs"
if works; then
	exit 0
fi
missing=$(tools/needs.sh "$python" | tr '\n' ' ')
[ -z "$missing" ] || give_up "missing here: ${missing% } (./try installs it; on Debian or Ubuntu: apt-get install -y ${missing% })"
"$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
	give_up "tcpdrop needs CPython 3.9 or newer, and $python is $("$python" -V 2>&1): name another by PYTHON=..."
[ ! -e "$venv" ] || echo "$venv does not work (half made, moved, or of an old Python): made anew" >&2
rm -rf "$venv"
"$python" -m venv "$venv"
# pip of today reads the dependency groups of pyproject.toml, setuptools its licence.
"$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' 'setuptools>=77' ||
	give_up "no package index gives pip and setuptools (above is why): name a mirror by PIP_INDEX_URL=URL, or a directory of wheels by PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR, and try again"
touch "$venv/.made"
