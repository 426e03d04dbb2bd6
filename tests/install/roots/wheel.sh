# SPDX-License-Identifier: BSD-2-Clause
# wheel.sh: in a bare root, without a compiler and without an index: the wheel of
# dist/ into a venv; drop; uninstall.
. /src/tests/install/roots/lib.sh
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
! command -v cc || exit 1
python3 -m venv /opt/drop
/opt/drop/bin/pip install --quiet --disable-pip-version-check --no-index --find-links /src/dist tcpdrop
export PATH=/opt/drop/bin:$PATH
in_netns sh /src/debian/tests/drop
mkdir /hidden
mv /usr/bin/python3* /hidden # as when the distribution takes it away
status=0
said=$(/opt/drop/bin/tcpdrop --version 2>&1) || status=$?
mv /hidden/* /usr/bin
[ "$status" = 3 ]
expr "$said" : 'tcpdrop: no python3\.[0-9]* here, for which the library in .* was built: install either again$' >/dev/null
pip uninstall --quiet --yes tcpdrop
nothing_left
