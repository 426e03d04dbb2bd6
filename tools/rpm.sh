#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/rpm.sh PYTHON: build contrib/tcpdrop.spec from the sdist in dist/, and rpmlint.
# On a Debian the spec's requirements are other packages' names: --nodeps.
set -eu
cd "$(dirname "$0")/.."
python=$(cd "$(dirname "$1")" && pwd)/python3
for tool in rpmbuild rpmlint; do
	command -v $tool >/dev/null || { echo "SKIPPED: no $tool here (apt-get install rpm rpmlint)"; exit 0; }
done
nodeps=
[ ! -e /etc/debian_version ] || nodeps=--nodeps
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/SOURCES"
cp dist/tcpdrop-*.tar.gz "$work/SOURCES"
rpmbuild -ba $nodeps --define "_topdir $work" --define "__python3 $python" contrib/tcpdrop.spec >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cp "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm dist
rpmlint --config contrib/rpmlint.toml contrib/tcpdrop.spec dist/tcpdrop-*.rpm
rpm -qlp dist/tcpdrop-*[!c].rpm | grep -v /integrations/
