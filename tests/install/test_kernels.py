# SPDX-License-Identifier: BSD-2-Clause
"""tools/kernels.py, which boots other kernels: what it says where it cannot, and what it hands to them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import run
from support.install import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import kernels

pytestmark = [pytest.mark.pure, pytest.mark.only_on("linux", reason="boots Linux")]


@pytest.mark.skipif(os.geteuid() != 0, reason="says first that it is for root")
@pytest.mark.parametrize(("name", "package"), [("bookworm", "qemu-system-x86"), ("bookworm/s390x", "qemu-system-misc")])
def test_without_an_emulator_each_kernel_is_skipped(tmp_path, name, package):
    done = run(sys.executable, ROOT / "tools/kernels.py", f"{name},{name}", "true", env={"PATH": str(tmp_path)})
    assert (done.status, done.err) == (0, "")
    assert done.out.count(f"SKIPPED: the kernel of {name}: no qemu-system-") == done.out.count(f"(apt-get install {package})") == 2


def test_without_a_mirror_it_says_why(tmp_path, monkeypatch):
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    monkeypatch.setattr(kernels, "CACHE", tmp_path)
    monkeypatch.setattr(kernels, "MIRROR", f"file://{tmp_path}/nowhere")
    with pytest.raises(kernels.CannotBe, match=r"^apt-get: .*nowhere"):
        kernels.kernel("bookworm", "amd64")


def test_without_a_mirror_what_was_kept_does(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "CACHE", tmp_path)
    monkeypatch.setattr(kernels, "ask", lambda *_, **__: (_ for _ in ()).throw(kernels.CannotBe("no")))
    for name in ("bookworm-amd64_6.1.1", "bookworm-s390x_6.1.2", "trixie-amd64_6.12"):
        (tmp_path / name / "modules").mkdir(parents=True)
    assert kernels.kernel("bookworm", "amd64").name == "bookworm-amd64_6.1.1"


def test_modules_come_after_what_they_need(tmp_path):
    def module(name, depends):
        path = tmp_path / "tree" / "lib/modules" / f"{name}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"ELF\0depends=" + depends.encode() + b"\0name=x\0")

    module("9p", "9pnet,netfs")
    module("9pnet", "")
    module("netfs", "")
    module("tcp_diag", "inet-diag")
    module("inet-diag", "")
    module("unrelated", "")
    for name in ("boot/vmlinuz-6.1", "bin/busybox"):
        (tmp_path / "tree" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"")
    kernels.keep(tmp_path / "tree", tmp_path / "kept")
    kept = sorted(path.name for path in (tmp_path / "kept/modules").iterdir())
    assert kept == ["00-9pnet", "01-netfs", "02-9p", "03-inet_diag", "04-tcp_diag"]


def test_the_archive_is_one(tmp_path):
    """As cpio(1) reads it, which knows the format without us."""
    if shutil.which("cpio") is None:
        pytest.skip("no cpio here")
    files = [("init", 0o100755, b"#!/busybox sh\n"), ("modules", 0o40755, b""), ("modules/00-9p", 0o100644, bytes(range(256)) * 33)]
    subprocess.run(["cpio", "-id", "--quiet"], input=kernels.cpio(files), cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == files[0][2] and (tmp_path / "init").stat().st_mode == 0o100755
    assert (tmp_path / "modules/00-9p").read_bytes() == files[2][2]
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["init", "modules"]
