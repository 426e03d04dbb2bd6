#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Lines and branches that the tests reach, of the C files and of Python:
#
#   tools/coverage.sh PYTHON [TESTS...]
#
# The package is built for it in build/coverage.  What commands run in processes
# of their own is not counted (they run -I).  The pure parsers must be whole, but
# for what says why beside it (LCOV_EXCL in C, "pragma: no branch" in Python).
set -eu
python=$1
shift
here=$(cd "$(dirname "$0")/.." && pwd)
work=$here/build/coverage
[ $# -gt 0 ] || set -- model filters module
export COVERAGE_FILE="$work/.coverage" COVERAGE_RCFILE="$here/tools/coverage.cfg"

cd "$here"
rm -rf "$work"
mkdir -p "$work"
CFLAGS="--coverage -O0 -fprofile-update=atomic" LDFLAGS=--coverage "$python" setup.py -q build \
	--build-base="$work/work" --build-lib="$work/lib" --build-scripts="$work/scripts" >"$work/build.log" 2>&1
# Left out: what measures memory, and what looks at the symbols of the module, which gcov adds to.
(cd tests && PYTHONPATH="$work/lib" "$python" -m coverage run --source="$work/lib/tcpdrop" -m pytest -q "$@" \
	-k "not left_behind and not nothing_behind and not broken and not one_symbol")
make --no-print-directory -C tests/c check SRC="$here/src" BUILD=../../build/coverage/c CFLAGS="--coverage -O0 -fprofile-update=atomic" >"$work/c.log" 2>&1
make --no-print-directory -C tests/c -f sunos.mk sunos-plain SUNOS_SRC="$here/src" BUILD=../../build/coverage/c CFLAGS="--coverage -O0 -fprofile-update=atomic" >>"$work/c.log" 2>&1

rm -f tests/c/*.gcno # of a file that is only looked at

pure="netlink inet_diag rtnetlink rows tuple text mib2 mib2_finish"
gcovr() { "$python" -m gcovr --root "$here" --filter 'src/' --gcov-ignore-errors=all "$@" "$work"; }
echo "== C, lines"
gcovr --txt -
echo "== C, branches"
gcovr --txt-metric branch --txt -
echo "== Python, lines and branches"
"$python" -m coverage report
status=0
echo "== the pure parsers"
for one in $pure; do
	"$python" -m gcovr --root "$here" --filter "src/$one\\.c" --gcov-ignore-errors=all --fail-under-line 100 "$work" >"$work/$one.txt" 2>&1 ||
		{ status=1; tail -n +6 "$work/$one.txt"; }
done
parsers="filters/lexer filters/parser filters/literal filters/values filters/units model/addresses model/globs model/spellings"
for one in $parsers; do
	"$python" -m coverage report --include="*/tcpdrop/$one.py" --fail-under=100 >"$work/python.txt" 2>&1 ||
		{ status=1; cat "$work/python.txt"; }
done
[ $status = 0 ] && echo "every line, and of Python every branch"
exit $status
