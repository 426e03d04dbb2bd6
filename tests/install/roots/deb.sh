# SPDX-License-Identifier: BSD-2-Clause
# deb.sh build: make the .deb in this root, lintian it, and put it into /out.
# deb.sh install: in a bare root, without a compiler: install what was built, drop, remove.
. /src/tests/install/roots/lib.sh
apt-get update -qq
if [ "$1" = build ]; then
	copy_tree /build/tcpdrop
	cd /build/tcpdrop
	apt-get install -y -qq --no-install-recommends build-essential lintian >/dev/null
	apt-get build-dep -y -qq --no-install-recommends . >/dev/null
	dpkg-buildpackage -us -uc >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
	lintian --fail-on error,warning --info /build/*.changes
	rm -f /out/*.deb
	cp /build/*.deb /out
	dpkg-deb --info /build/tcpdrop_*.deb
	dpkg-deb --contents /build/tcpdrop_*.deb | grep -v /integrations/
	exit
fi
apt-get install -y -qq --no-install-recommends /out/tcpdrop_*.deb >/tmp/log || { cat /tmp/log; exit 1; }
! command -v cc || exit 1
in_netns sh /src/debian/tests/drop
mv /usr/bin/tcpdrop /usr/sbin/tcpdrop # where another distribution might put it
in_netns sh /src/debian/tests/drop
mv /usr/sbin/tcpdrop /usr/bin/tcpdrop
[ -e "$(tcpdrop paths --ansible)/ansible_collections/tcpdrop/net/galaxy.yml" ]
[ -e /usr/share/ansible/collections/ansible_collections/tcpdrop/net/galaxy.yml ]
for shell in bash zsh fish; do [ -s "$(tcpdrop paths --completion $shell)" ]; done
[ -s "$(tcpdrop paths --man)" ]
apt-get purge -y -qq tcpdrop >/dev/null
nothing_left
