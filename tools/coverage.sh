#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Lines and branches that the tests reach, of the C files and of Python:
#
#   tools/coverage.sh PYTHON [TESTS...]
#   tools/coverage.sh PYTHON --parsers    only whether the C tests reach all of the parsers in C
#
# The package is built for it in build/coverage.  What commands run in processes
# of their own is not counted (they run -I).  The pure parsers must be whole, each
# line and each branch, but for what says why beside it (LCOV_EXCL in C, of which
# there is none; "pragma: no branch" in Python).
set -eu
python=$1
shift
here=$(cd "$(dirname "$0")/.." && pwd)
work=$here/build/coverage
counted="--coverage -O0 -fprofile-update=atomic"
pure="netlink inet_diag rtnetlink rows tuple text mib2 mib2_finish"
parsers="filters/lexer filters/parser filters/literal filters/values filters/units model/addresses model/globs model/spellings"

c_tests() {
	(cd tests/c && make --no-print-directory check SRC="$here/src" BUILD=../../build/coverage/c CFLAGS="$counted" &&
		make --no-print-directory -f sunos.mk sunos-plain SUNOS_SRC="$here/src" BUILD=../../build/coverage/c CFLAGS="$counted") >"$work/c.log" 2>&1 ||
		{ cat "$work/c.log"; exit 1; }
	rm -f tests/c/*.gcno # of a file that is only looked at
}

gcovr() { "$python" -m gcovr --root "$here" --gcov-ignore-errors=all "$@"; }

# Each of its lines and branches in the C files below this directory.
c_parsers() {
	status=0
	for one in $pure; do
		gcovr --filter "src/$one\\.c" --fail-under-line 100 --fail-under-branch 100 --txt-summary --txt "$work/$one.lines" "$1" >"$work/$one.txt" 2>&1 ||
			{ status=1; cat "$work/$one.lines" "$work/$one.txt"; gcovr --filter "src/$one\\.c" --txt-metric branch --txt - "$1"; }
	done
	[ $status = 0 ] && echo "the parsers in C: every line, every branch"
	return $status
}

cd "$here"
rm -rf "$work"
mkdir -p "$work"
if [ "${1:-}" = --parsers ]; then
	c_tests
	c_parsers "$work/c"
	exit
fi

[ $# -gt 0 ] || set -- model filters module
export COVERAGE_FILE="$work/.coverage" COVERAGE_RCFILE="$here/tools/coverage.cfg"
CFLAGS=$counted LDFLAGS=--coverage "$python" setup.py -q build \
	--build-base="$work/work" --build-lib="$work/lib" --build-scripts="$work/scripts" >"$work/build.log" 2>&1
# Left out: what measures memory, and what looks at the symbols of the module, which gcov adds to.
(cd tests && PYTHONPATH="$work/lib" "$python" -m coverage run --source="$work/lib/tcpdrop" -m pytest -q "$@" \
	-k "not left_behind and not nothing_behind and not broken and not one_symbol")
c_tests

echo "== C, lines"
gcovr --filter 'src/' --txt - "$work"
echo "== C, branches"
gcovr --filter 'src/' --txt-metric branch --txt - "$work"
echo "== Python, lines and branches"
"$python" -m coverage report
echo "== the pure parsers"
status=0
c_parsers "$work/c" || status=1 # by the C tests alone
for one in $parsers; do
	"$python" -m coverage report --include="*/tcpdrop/$one.py" --fail-under=100 >"$work/python.txt" 2>&1 ||
		{ status=1; cat "$work/python.txt"; }
done
[ $status = 0 ] && echo "the parsers in Python: every line, every branch"
exit $status
