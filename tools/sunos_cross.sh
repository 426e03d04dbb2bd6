#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Compile the SunOS backend for illumos with clang, without linking: strict
# warnings, and every static assertion against the system's own headers.
#
#   tools/sunos_cross.sh HEADERS
#
# HEADERS: the directory usr/src of an illumos source tree.  Nothing of it
# belongs into this repository.
set -eu

headers=${1:?usage: $0 HEADERS (usr/src of an illumos source tree)}
cd "$(dirname "$0")/.."
[ -f "$headers/uts/common/inet/tcp.h" ] || { echo "$0: no uts/common/inet/tcp.h in $headers" >&2; exit 2; }

# A header that illumos generates when it is built, and one that went with its
# SPARC port, which other headers of that still include; nothing here needs them.
stubs=$(mktemp -d)
trap 'rm -rf "$stubs"' EXIT
mkdir "$stubs/sys"
: >"$stubs/sys/priv_names.h"
echo 'typedef int pnode_t;' >"$stubs/sys/obpdefs.h"

warnings="-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror"
where="-nostdinc -isystem $headers/head -isystem $headers/uts/common"
intel="-isystem $headers/uts/intel -isystem $stubs"
sparc="-isystem $headers/uts/sparc -isystem $headers/uts/sparc/v9 -isystem $headers/uts/sun4u -isystem $headers/uts/sun4 -isystem $headers/uts/sfmmu -isystem $stubs"
python_like="-std=c11 -U_XOPEN_SOURCE -D_XOPEN_SOURCE=700 -D_POSIX_C_SOURCE=200809L"

targets="x86_64-pc-solaris2.11 i386-pc-solaris2.11"
[ ! -d "$headers/uts/sun4u/sys" ] || targets="$targets sparcv9-sun-solaris2.11 sparc-sun-solaris2.11"
for target in $targets; do
	case $target in sparc*) machine=$sparc ;; *) machine=$intel ;; esac
	for mode in "-std=gnu11" "$python_like"; do
		for file in sunos_abi sunos sunos_list sunos_many mib2 mib2_finish rows tuple text; do
			# shellcheck disable=SC2086 # lists of options, as below
			clang --target=$target $mode -fsyntax-only $where $machine $warnings "src/$file.c"
		done
	done
	# shellcheck disable=SC2086
	clang --target=$target -std=gnu11 -fsyntax-only $where $machine tests/c/illumos_abi_check.c
	echo "$target: ok"
done
