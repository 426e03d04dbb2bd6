#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/fleet.sh: the fleets' tests on every engine of the matrix, each in a venv of its
# own: ansible-core 2.16 and the newest three lines, Salt 3006 and 3008.  The last lines
# say what ran.
set -eu
cd "$(dirname "$0")/.."
newest=$(tools/newest.sh)
report=$(mktemp)
trap 'rm -f "$report"' EXIT

told() {
	echo "$(date +%F) $1 on $("$2" -V)" | tee -a "$report"
}

ansible() {
	make --no-print-directory VENV=".venv-ansible-$1" PYTHON="$2" ANSIBLE_CORE="$1" test-ansible
	told "$(".venv-ansible-$1/bin/python3" -m pip show ansible-core | sed -n 's/^Version: /ansible-core /p')" ".venv-ansible-$1/bin/python3"
}

salt() {
	TCPDROP_REQUIRE_SALT=1 make --no-print-directory VENV=.venv-fleet PYTHON="$newest" SALT_VENV=".venv-salt-$1" SALT_PYTHON="$2" test-salt
	told "$(".venv-salt-$1/bin/salt-call" --version)" ".venv-salt-$1/bin/python3"
}

make --no-print-directory VENV=.venv-fleet PYTHON="$newest" build .venv-fleet/.test .venv-fleet/.ansible
line=$(.venv-fleet/bin/python3 -m pip show ansible-core | sed -n 's/^Version: 2\.\([0-9]*\)\..*/\1/p')
ansible 2.16 "$(tools/newest.sh 12)" # its last
for back in 2 1 0; do
	ansible "2.$((line - back))" "$newest"
done
salt 3006 "$(tools/newest.sh 11)"
salt 3008 "$newest"
echo "== the fleets' tests passed on"
cat "$report"
