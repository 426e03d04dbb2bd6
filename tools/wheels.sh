#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/wheels.sh PYTHON: what is published, into dist/, and every check of it.
# The sdist, and from that, so that it is complete: a wheel inside the limited API
# for glibc; with zig (pip install ziglang) for an old glibc, and for musl; and one
# for each free-threaded CPython at hand, which cannot load abi3.
set -eu
cd "$(dirname "$0")/.."
bin=$(cd "$(dirname "$1")" && pwd)
PATH=$bin:$PATH
export PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf dist build
machine=$(uname -m)

echo "== sdist"
[ ! -e .git ] || check-manifest --no-build-isolation --quiet
python3 -m build --sdist --no-isolation --outdir dist . >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

wheel() { # PYTHON WHERE [COMPILER]: from the sdist, in a directory of its own
	mkdir "$work/$2"
	tar -C "$work/$2" --strip-components=1 -xzf dist/tcpdrop-*.tar.gz
	echo "== wheel: $2"
	${3:+env "CC=$3" "LDSHARED=$3 -shared"} "$1" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w "$work/$2/out" "$work/$2"
}

export TCPDROP_LIMITED_API=1
if python3 -c 'import ziglang' 2>/dev/null; then
	zig="$bin/python3 -m ziglang cc -target $machine-linux"
	wheel python3 glibc "$zig-gnu.2.17"
	wheel python3 musl "$zig-musl"
	# auditwheel looks for the host's own libc: what may be needed is looked at here.
	needed=$(readelf -d "$work"/musl/build/lib*/tcpdrop/_tcpdrop.abi3.so | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
	[ "$needed" = libc.so ] || { echo "the wheel for musl needs $needed" >&2; exit 1; }
	python3 -m wheel tags --platform-tag "musllinux_1_2_$machine" "$work"/musl/out/*.whl >/dev/null
	mv "$work"/musl/out/*musllinux*.whl dist
else
	wheel python3 glibc
	echo "no zig here (pip install ziglang): no wheel for musl, and none for a glibc older than this one"
fi
auditwheel repair --wheel-dir dist "$work"/glibc/out/*.whl 2>"$work/log" || { cat "$work/log"; exit 1; }
abi3audit --strict --summary dist/*abi3*.whl
unset TCPDROP_LIMITED_API
for free in ${PYTHONS-} python3.13t python3.14t; do
	"$free" -c 'import setuptools, sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))' 2>/dev/null || continue
	wheel "$free" "$free"
	auditwheel repair --wheel-dir dist "$work/$free"/out/*.whl 2>"$work/log" || { cat "$work/log"; exit 1; }
done

echo "== checks"
twine check --strict dist/*
check-wheel-contents dist/*.whl
ls -l dist
