#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/galaxy.sh VENV: what Galaxy asks of the collection, on a copy of it at the path
# that ansible-test wants.  ansible-test's other checks download what they need; of those
# tests/fleet/test_ansible_collection.py calls validate-modules itself, and the public
# workflow runs all of them.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/$1/bin:$PATH
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/ansible_collections/tcpdrop"
cp -r integrations/ansible/ansible_collections/tcpdrop/net "$place/ansible_collections/tcpdrop"
cd "$place/ansible_collections/tcpdrop/net"
find . -name __pycache__ -prune -exec rm -rf {} +
git init -q . # ansible-test tests what git lists
export HOME="$place" LC_ALL=C.UTF-8 NO_COLOR=1

ansible-lint
antsibull-changelog lint
antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml
checks="action-plugin-docs compile empty-init ignores line-endings no-assert no-get-exception no-illegal-filenames
	no-smart-quotes replace-urlopen shebang symlinks use-argspec-type-path use-compat-six"
# shellcheck disable=SC2046,SC2086 # lists of words
ansible-test sanity --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" $(printf ' --test %s' $checks)
