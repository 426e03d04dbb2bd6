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
	# Installed as it would be: where python3 -I finds it, too, which asks no variable, and the command is no
	# link, which sh would need a process to follow.
	sites=$(python3 -c 'import site; print(site.getsitepackages()[0])')
	scripts=$(python3 -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
	mkdir -p "$sites" "$scripts"
	rm -rf "$sites/tcpdrop"
	PYTHONPATH=$site TCPDROP_WERROR=1 TCPDROP_BACKEND=$backend python3 setup.py --quiet build --build-lib "$sites" --build-scripts "$scripts"
	rm -rf tcpdrop
	# What hypothesis takes for slow is this machine, and a walk of 3 s on its host took one minute there, or more than two.
	PYTHONPATH=$site python3 -m pytest -q --hypothesis-profile=ci --timeout=1200 "$@" || status=$?
	cd "$tree"
done
exit $status
