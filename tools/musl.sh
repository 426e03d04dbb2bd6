#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/musl.sh: every C file that knows neither Python nor SunOS, with musl's
# headers and nothing of glibc's; the kernel's own are where the distribution has them.
set -eu
cd "$(dirname "$0")/.."
command -v musl-gcc >/dev/null || { echo "SKIPPED: no musl-gcc here (apt-get install musl-tools)"; exit 0; }
kernel="-idirafter /usr/include -idirafter /usr/include/$(gcc -dumpmachine)"
for file in src/[a-z]*.c; do
	case $file in src/sunos*) continue ;; esac
	# shellcheck disable=SC2086 # a list of options
	musl-gcc -std=c11 -Wall -Wextra -Werror $kernel -fsyntax-only "$file"
done
echo "musl: ok"
