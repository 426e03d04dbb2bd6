#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/root_short.sh: of make try-roots what fits into a run of CI: the wheel of
# dist/ in both roots, ./try in one as root and in the other as an ordinary user
# who runs a part of the tests.  What cannot be is skipped with its reason.
set -eu
cd "$(dirname "$0")/.."
limit=${LIMIT-240}

skip() {
	echo "SKIPPED: bare Debians: $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "only root may mount"
command -v mmdebstrap >/dev/null || command -v debootstrap >/dev/null || skip "no mmdebstrap (apt-get install mmdebstrap)"
timeout "$limit" tools/root.sh make || skip "they could not be laid down within ${limit} s (no mirror?)"

export TCPDROP_TRY_ARGS="tests/model tests/cli/test_paths.py tests/cli/test_list.py tests/cli/test_demo.py"
deadline=$(($(date +%s) + limit))
ran=0
try() { # SUITE SCRIPT...
	left=$((deadline - $(date +%s)))
	[ "$left" -gt 60 ] || { echo "SKIPPED: $*: it would take longer than ${limit} s in all"; return 0; }
	echo "== $*"
	status=0
	timeout "$left" tools/root.sh "$@" >"$log" 2>&1 || status=$?
	if [ "$status" = 124 ]; then
		echo "SKIPPED: $*: not ready within ${limit} s in all"
	elif [ "$status" != 0 ]; then
		cat "$log"
		echo "$*: status $status"
		exit 1
	else
		ran=$((ran + 1))
	fi
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
try trixie tests/install/roots/try.sh user test
try bookworm tests/install/roots/wheel.sh
try bookworm tests/install/roots/try.sh root
try trixie tests/install/roots/wheel.sh
echo "$ran passed, 0 failed"
