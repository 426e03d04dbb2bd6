#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The C tests for machines of the other byte order and of 32 bits, compiled for
# each and run under qemu's user emulation.
#
#   tools/cross.sh            every machine; what is not installed is an error
#   tools/cross.sh install    what that needs, on Debian and Ubuntu (as root)
set -eu
cd "$(dirname "$0")/.."

# compiler, emulator, the C library's package
machines="
s390x-linux-gnu qemu-s390x-static libc6-dev-s390x-cross
sparc64-linux-gnu qemu-sparc64-static libc6-dev-sparc64-cross
aarch64-linux-gnu qemu-aarch64-static libc6-dev-arm64-cross
arm-linux-gnueabihf qemu-arm-static libc6-dev-armhf-cross
i686-linux-gnu qemu-i386-static libc6-dev-i386-cross
"

if [ "${1:-}" = install ]; then
	apt-get update -qq
	# shellcheck disable=SC2046 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		qemu-user-static $(echo "$machines" | awk 'NF { print "gcc-" $1, $3 }')
	exit
fi

echo "$machines" | while read -r machine emulator _; do
	[ -n "$machine" ] || continue
	for tool in "$machine-gcc" "$emulator"; do
		command -v "$tool" >/dev/null || { echo "$0: no $tool; as root: $0 install" >&2; exit 2; }
	done
	echo "== $machine"
	for goal in check "-f sunos.mk sunos-plain"; do
		# shellcheck disable=SC2086 # a list of options
		make --no-print-directory -C tests/c $goal CC="$machine-gcc" RUNNER="$emulator" LDFLAGS=-static "BUILD=build/$machine" </dev/null
	done
done
