#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Bare Debians and an Ubuntu, to try in what a newcomer or a packager types.
#
#   tools/root.sh make              lay down those that are not there yet
#   tools/root.sh suites            name those that are
#   tools/root.sh SUITE SCRIPT...   run SCRIPT of this tree in a fresh one, as root
#
# They lie in TCPDROP_ROOTS (/var/cache/tcpdrop-roots).  A run sees one below a
# layer that is thrown away, in a mount namespace of its own; this tree is at
# /src, read-only; what a script leaves in /out lies in out/SUITE beside the roots.
# The network is the host's: apt and pip need it, and what apt fetched is kept.
set -eu
roots=${TCPDROP_ROOTS:-/var/cache/tcpdrop-roots}
suites="bookworm trixie noble"
mirror=${TCPDROP_MIRROR:-http://deb.debian.org/debian}
ubuntu=${TCPDROP_UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg

lay_down() {
	[ ! -d "$roots/$1" ] || return 0
	from=$mirror components=main
	if [ "$1" = noble ]; then
		[ -e $keys ] || { echo "SKIPPED: no $keys here (ubuntu-keyring has it): no Ubuntu"; return 0; }
		command -v mmdebstrap >/dev/null || { echo "SKIPPED: no mmdebstrap here: no Ubuntu"; return 0; }
		from=$ubuntu components=main,universe # python3-venv is in the latter
	fi
	echo "$roots/$1: laying it down"
	rm -rf "$roots/$1.new"
	mkdir -p "$roots"
	if command -v mmdebstrap >/dev/null; then
		mmdebstrap --quiet --variant=minbase --components=$components "$1" "$roots/$1.new" "$from" || {
			[ "$1" = noble ] || exit 1
			echo "SKIPPED: $from gives no Ubuntu"
			return 0
		}
	elif command -v debootstrap >/dev/null; then
		debootstrap --variant=minbase "$1" "$roots/$1.new" "$mirror" >"$roots/$1.log"
	else
		echo "no mmdebstrap or debootstrap here: apt-get install mmdebstrap" >&2
		exit 1
	fi
	mv "$roots/$1.new" "$roots/$1"
}

case ${1-} in
make)
	for suite in $suites; do lay_down "$suite"; done
	exit
	;;
suites)
	for suite in $suites; do [ ! -d "$roots/$suite" ] || echo "$suite"; done
	exit
	;;
esac

suite=$1
shift
cd "$(dirname "$0")/.."
[ -d "$roots/$suite" ] || { echo "no $roots/$suite: make roots" >&2; exit 1; }
mkdir -p "$roots/cache/$suite/partial" "$roots/out/$suite" "$roots/run"
export suite roots
# pivot_root and not chroot: who is in a chroot may not make user namespaces, as
# the tests of an ordinary user do.
exec unshare --mount sh -eu -c '
work=$roots/run
mount -t tmpfs none "$work"
layer() { # NAME LOWER PLACE
	mkdir -p "$work/$1/up" "$work/$1/work" "$3"
	mount -t overlay -o "lowerdir=$2,upperdir=$work/$1/up,workdir=$work/$1/work" none "$3"
}
layer root "$roots/$suite" "$work/merged"
cd "$work/merged"
mkdir -p src host out kept
mount --bind "$OLDPWD" src
mount -o remount,bind,ro src
# apt locks its cache: each run has a layer of its own above what is kept.
layer archives "$roots/cache/$suite" var/cache/apt/archives
mount --bind "$roots/cache/$suite" kept
mount --bind "$roots/out/$suite" out
mount -t proc none proc
mount --rbind /sys sys
mount --rbind /dev dev
cat /etc/resolv.conf >etc/resolv.conf
# A proxy of this site may have a certificate of its own.
mkdir -p etc/ssl/certs
cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/site.crt
pivot_root . host
umount --lazy /host
keep() {
	for file in /var/cache/apt/archives/*.deb; do
		[ -e "/kept/${file##*/}" ] || cp "$file" "/kept/${file##*/}" || break
	done
}
trap keep EXIT
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
	PIP_CERT=/etc/ssl/certs/site.crt ${PIP_INDEX_URL:+"PIP_INDEX_URL=$PIP_INDEX_URL"} CI="${CI-}" TCPDROP_TRY_ARGS="${TCPDROP_TRY_ARGS-}" sh -eu "/src/$@"
' sh "$@"
