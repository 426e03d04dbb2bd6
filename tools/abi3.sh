#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/abi3.sh: one wheel inside the limited API of 3.9, imported and used by
# every CPython at hand.
set -eu
cd "$(dirname "$0")/.."
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TCPDROP_LIMITED_API=1 TCPDROP_WERROR=1 "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps -w "$work" .
"$python" -m zipfile -e "$work"/tcpdrop-*-abi3-*.whl "$work/tree"
for candidate in "$python" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3; do
	"$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
	"$candidate" -I -c 'import sys; sys.path.insert(0, sys.argv[1])
from tcpdrop.cli import main
main(["--version"]); sys.exit(main(["demo"]))' "$work/tree" >"$work/out" || { cat "$work/out"; exit 1; }
	echo "abi3 on $("$candidate" -V): the demo drops"
done
