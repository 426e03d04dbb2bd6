# SPDX-License-Identifier: BSD-2-Clause
# try.sh root|user [test]: in a bare root (tools/root.sh), the newcomer's two
# commands: as root, or as an ordinary user, at first without sudo and then with
# it.  Without the word test only the first of the two.
. /src/tests/install/roots/lib.sh
who=$1
what=${2-}
if [ "$who" = root ]; then
	user=root home=/root
else
	user=tester home=/home/tester
	useradd --create-home --shell /bin/sh $user
fi
copy_tree $home/tcpdrop
chown -R $user: $home/tcpdrop

say() {
	cat /tmp/said
	grep -q "$@" /tmp/said
}

# Whatever it needs, two commands.
run() {
	su $user -c "cd $home/tcpdrop && ARGS='${TCPDROP_TRY_ARGS-}' $*" >/tmp/said 2>&1 || { cat /tmp/said; return 1; }
}

if [ "$who" = user ]; then
	echo "== no sudo: one line says what root is to do"
	if run ./try; then exit 1; fi
	[ "$(grep -c '^There is no sudo here' /tmp/said)" = 1 ]
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends sudo >/dev/null
	echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/tester
fi
echo "== ./try"
run ./try
say '^Missing on this system: make gcc python3'
say ': dropped$' >/dev/null
say '^Type next:  .venv/bin/tcpdrop list' >/dev/null
run .venv/bin/tcpdrop --version

for harm in "rm -rf .venv/lib" "ln -sf /nowhere .venv/bin/python3" "rm .venv/.made" "mv .venv x && mkdir y && mv x y/.venv && mv y/.venv ."; do
	[ "$what" = test ] || break
	run "$harm"
	run ./try
	say ': dropped$' >/dev/null
done

[ "$what" = test ] || exit 0
if [ "$who" = user ]; then
	echo "== what root made is root's to remove: one line says so"
	run sudo chown -R root:root .venv build
	if run ./try; then exit 1; fi
	[ "$(grep -c '^another user made .venv build here' /tmp/said)" = 1 ]
	run sudo chown -R $user: .venv build
fi
echo "== ./try test"
run ./try test
say '^Type next' | tail -40
say -E '^=+ [0-9]+ passed' >/dev/null
if grep -E '^=+ .*[0-9]+ (failed|error)' /tmp/said; then exit 1; fi
