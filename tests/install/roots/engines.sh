# SPDX-License-Identifier: BSD-2-Clause
# engines.sh: in a bare root with a package index of the system that has what deb.sh
# built: the role installs it by the package manager, and it drops.
. /src/tests/install/roots/lib.sh
apt-get update -qq
apt-get install -y -qq --no-install-recommends dpkg-dev ansible-core python3-apt >/dev/null
mkdir -p /srv/index
cp /out/tcpdrop_*.deb /srv/index
(cd /srv/index && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
echo 'deb [trusted=yes] file:/srv/index ./' >/etc/apt/sources.list.d/index.list
apt-get update -qq
! command -v tcpdrop || exit 1

# What a play changed, by its last line.
play() {
	ANSIBLE_COLLECTIONS_PATH=/src/integrations/ansible ANSIBLE_LOCALHOST_WARNING=0 ansible-playbook -i localhost, -c local "$@" /tmp/play.yml >/tmp/log 2>&1 ||
		{ cat /tmp/log >&2; exit 1; }
	sed -n 's/^localhost .* changed=\([0-9]*\) .*/\1/p' /tmp/log
}
cat >/tmp/play.yml <<'END'
- hosts: localhost
  gather_facts: true
  roles:
    - role: tcpdrop.net.install
      install_method: package
      install_conf: protect lport 2049
END
[ "$(play --check)" = 2 ] # the package and the rules
! command -v tcpdrop || exit 1
[ "$(play)" = 2 ]
[ "$(play)" = 0 ]
[ "$(play --check)" = 0 ]
[ "$(cat /etc/tcpdrop.conf)" = "protect lport 2049" ]
in_netns sh /src/debian/tests/drop
ansible --version | head -1
apt-get purge -y -qq tcpdrop >/dev/null
rm -r /etc/tcpdrop.conf /srv/index /etc/apt/sources.list.d/index.list
nothing_left
