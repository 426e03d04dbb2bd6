# SPDX-License-Identifier: BSD-2-Clause
# What the scripts for a bare root share.

# This tree without what was built in it: what a clone has.
copy_tree() { # DIRECTORY
	mkdir -p "$1"
	tar -C /src --exclude='./.venv*' --exclude=./build --exclude=./dist --exclude=./.git --exclude='.*_cache' \
		--exclude=./tests/c/build --exclude=./tests/fuzz/build --exclude='*.egg-info' -c . | tar -C "$1" -x
}

# A command in a network namespace of its own, its lo up.
in_netns() {
	python3 -I -c '
import os, sys
sys.path.insert(0, "/src/tests")
from support import netns
why = netns.enter()
if why:
    sys.exit(why)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

# After an uninstallation.
nothing_left() {
	left=$(find / -xdev -name '*tcpdrop*' ! -path '/src/*' ! -path '/out/*' ! -path '/tmp/*' ! -path '/proc/*' ! -path '/var/lib/apt/*')
	[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
}
