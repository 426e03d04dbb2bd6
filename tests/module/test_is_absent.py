# SPDX-License-Identifier: BSD-2-Clause
"""is_absent(): certain only where lstat(2) itself says that there is no such file; what cannot be looked at may be there."""

import os

import pytest

from tcpdrop import _tcpdrop


def test_what_is_there_and_what_is_not(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    answers = {name: _tcpdrop.is_absent(str(tmp_path / name)) for name in ("file", ".", "link", "loop", "nothing", "nothing/in/it")}
    assert answers == {"file": False, ".": False, "link": False, "loop": False, "nothing": True, "nothing/in/it": True}
    for unknown in ("file/below", "loop/below", "x" * 1000):  # ENOTDIR, ELOOP, ENAMETOOLONG
        assert _tcpdrop.is_absent(str(tmp_path / unknown)) is False
    assert _tcpdrop.is_absent(os.fsencode(tmp_path / "file")) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another")
def test_what_may_not_be_looked_at(tmp_path, run):
    os.chmod(tmp_path, 0o700)
    code = "import os; from tcpdrop import _tcpdrop; os.setuid(65534); print(_tcpdrop.is_absent(sys.argv[1]))"
    try:
        done = run(code, tmp_path / "nothing")
    except AssertionError as e:
        if "Invalid argument" not in str(e):
            raise
        pytest.skip("a user namespace with no other user")
    assert done == "False\n"


def test_what_is_no_path():
    for wrong in (None, 3):
        with pytest.raises(TypeError):
            _tcpdrop.is_absent(wrong)
    with pytest.raises(ValueError, match="null"):
        _tcpdrop.is_absent("a\0b")
