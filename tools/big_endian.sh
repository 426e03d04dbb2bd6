#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The extension built, and tests run with it, on a big-endian machine: what
# make test-big-endian starts in an emulated s390x (tools/kernels.py), as root.
#
#   tools/big_endian.sh SITE [PYTEST ARGS...]
#
# SITE has setuptools, pytest and what it loads: files of Python alone, for any
# machine.  First on Linux's own backend, then on that of SunOS and its simulator;
# BACKENDS=linux chooses.
set -eu
site=$1
shift
tree=$PWD
python3 -c 'import sys; print(sys.byteorder, sys.version); sys.exit(sys.byteorder != "big")'

status=0
for backend in ${BACKENDS-linux sunos-sim}; do
	echo "== $backend"
	mkdir "/run/$backend"
	cp -R setup.py pyproject.toml README.md LICENSE src tcpdrop bin docs integrations tests benchmarks "/run/$backend"
	cd "/run/$backend"
	PYTHONPATH=$site TCPDROP_WERROR=1 TCPDROP_BACKEND=$backend python3 setup.py --quiet build --build-lib lib --build-scripts lib/bin
	rm -rf tcpdrop
	# Where python3 -I finds it, too, which asks no variable: what nobody may read is tested by nobody.
	sites=$(python3 -c 'import site; print(site.getsitepackages()[0])')
	mkdir -p "$sites"
	echo "$PWD/lib" >"$sites/tcpdrop.pth"
	scripts=$(python3 -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
	mkdir -p "$scripts"
	ln -sf "$PWD/lib/bin/tcpdrop" "$scripts/tcpdrop"
	# What hypothesis takes for slow is this machine.
	PYTHONPATH=$PWD/lib:$site python3 -m pytest -q --hypothesis-profile=ci "$@" || status=$?
	cd "$tree"
done
exit $status
