# SPDX-License-Identifier: BSD-2-Clause
"""A host on which nothing was installed: /etc and /opt are private, and keep what is written there from one command to the next."""

import shutil
import sys

import pytest
from support.command import needs
from support.install import pip, sources

SCRIPT = 'mount --make-rprivate / && mount --bind "$1/etc" /etc && mount --bind "$1/opt" /opt && shift && exec "$@"'


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory):
    """A directory with a wheel of this tree."""
    place = tmp_path_factory.mktemp("wheelhouse")
    pip(sys.executable, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", place / "wheels", sources(place / "source"))
    return place / "wheels"


class BareHost:
    """`wrapper` is for what shall see that host."""

    def __init__(self, place):
        self.etc, self.opt = place / "etc", place / "opt"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=shutil.ignore_patterns("ca-certificates", "tcpdrop*"))
        self.opt.mkdir()
        self.wrapper = needs("unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(place))

    def files(self):
        """Everything below its /opt and what of tcpdrop is in its /etc, with the time of the last change."""
        found = [*self.opt.rglob("*"), *self.etc.glob("tcpdrop*"), *self.etc.glob("tcpdrop.conf.d/*")]
        return {str(path): path.lstat().st_mtime_ns for path in found if "__pycache__" not in path.parts}
