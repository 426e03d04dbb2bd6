#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/fuzz.sh SECONDS PYTHON [OPTION...]: everything that reads, under libFuzzer (C, clang) and
# atheris (Python), SECONDS each.  What there is no fuzzer for is skipped and says so.
# tools/fuzz.sh prepare PYTHON: install atheris.
#
# Options are libFuzzer's: -seed=1.  What is new lies in tests/c/build and tests/fuzz/build,
# a finding beside it; FUZZ_ONLY="conf netns" chooses.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
python=$2
shift 2

if [ "$seconds" = prepare ]; then
	"$python" -c 'import atheris' 2>/dev/null ||
		"$python" -m pip --quiet --disable-pip-version-check install --only-binary=:all: --group fuzz ||
		echo "SKIPPED: no atheris for this Python: its fuzzers do not run"
	exit 0
fi

# run NAME COMMAND...: its last figures, or all it said.
run() {
	name=$1
	shift
	log=tests/fuzz/build/$name.log
	mkdir -p tests/fuzz/build
	if nice -n 19 "$@" -max_total_time="$seconds" -print_final_stats=1 >"$log" 2>&1; then
		sed -n "s/^#\([0-9]*\)[[:space:]]*DONE *cov: \([0-9]*\).*/$name: \1 runs, coverage \2, nothing found/p" "$log" | tail -n 1
	else
		tail -n 60 "$log"
		echo "$name: FOUND something; the input lies in tests/fuzz/build"
		exit 1
	fi
}

wanted() { case " ${FUZZ_ONLY:-$1} " in *" $1 "*) ;; *) return 1 ;; esac; }

# in_c NAME DIRECTORY OPTIONS...
in_c() {
	name=$1 built=$2
	shift 2
	mkdir -p "tests/fuzz/build/$name"
	run "$name" "tests/c/build/$built" "$@" -artifact_prefix="tests/fuzz/build/$name-" "tests/fuzz/build/$name" "tests/c/corpus_$name"
}

if command -v clang >/dev/null; then
	make --no-print-directory -s -C tests/c fuzzers
	make --no-print-directory -s -C tests/c -f sunos.mk sunos-fuzzers
	for name in inet_diag rtnetlink; do ! wanted $name || in_c $name fuzz_$name -max_len=4096 "$@"; done
	! wanted mib2 || in_c mib2 sunos/fuzz_mib2 -max_len=8192 "$@"
else
	echo "SKIPPED: no clang here (apt-get install clang libclang-rt-dev): the fuzzers in C do not run"
fi

if "$python" -c 'import atheris' 2>/dev/null; then
	for name in $("$python" tests/fuzz/fuzz.py 2>/dev/null); do
		wanted "$name" || continue
		mkdir -p "tests/fuzz/build/$name"
		run "$name" "$python" tests/fuzz/fuzz.py "$name" -max_len=512 "$@" -artifact_prefix="tests/fuzz/build/$name-" "tests/fuzz/build/$name"
	done
else
	echo "SKIPPED: no atheris for this Python: its fuzzers do not run"
fi
