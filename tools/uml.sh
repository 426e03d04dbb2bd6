#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Boot a user-mode Linux kernel, which is built without INET_DIAG_DESTROY, on
# this very file system, and run tests inside: uml.sh PYTEST [ARGS...]
# Where there is none it says so, and counts as skipped.
set -eu

LINUX=$(command -v linux.uml || true)
if [ -z "$LINUX" ]; then
	echo "test-uml: no user-mode kernel here (apt-get install user-mode-linux)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/tcpdrop-uml.XXXXXX")
trap 'rm -rf "$place"' EXIT
top=$(cd "$(dirname "$0")/.." && pwd)
modules=$(echo /usr/lib/uml/modules/*/kernel/lib/crc-ccitt.ko /usr/lib/uml/modules/*/kernel/net/ipv6/ipv6.ko)

# The arguments as sh can read them back.
command=
for word; do
	command="$command '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"
done

# /run is the guest's own: nothing of the host but $place is written to.
cat >"$place/init" <<END
#!/bin/sh
PATH='$PATH'; export PATH
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run
# insmod(8) need not be installed.  init_module(2)
for module in $modules; do
	python3 -I -c 'import ctypes, sys
image = open(sys.argv[1], "rb").read()
sys.exit(ctypes.CDLL(None).init_module(image, ctypes.c_ulong(len(image)), b""))' "\$module"
done
ip link set lo up
cd '$top'
export HOME=/run TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 TERM=dumb TCPDROP_REQUIRE_PRIVILEGED='${TCPDROP_REQUIRE_PRIVILEGED:-}'
export PYTEST_ADDOPTS='${PYTEST_ADDOPTS:-} -p no:cacheprovider --basetemp=/run/pytest'
set +e
$command
echo \$? >'$place/status'
sync
# An init that ends is a panic; this power-off ends the kernel.  reboot(2)
python3 -I -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'
END
chmod +x "$place/init"

TMPDIR=$place timeout --kill-after=5 "${UML_TIMEOUT:-180}" "$LINUX" mem=512M root=/dev/root rootfstype=hostfs rootflags=/ rw \
	init="$place/init" con=null con0=fd:0,fd:1 quiet </dev/null 2>"$place/kernel" || true
if [ ! -s "$place/status" ]; then
	cat "$place/kernel" >&2
	echo "test-uml: the kernel ended without an answer" >&2
	exit 1
fi
exit "$(cat "$place/status")"
