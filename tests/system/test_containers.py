# SPDX-License-Identifier: BSD-2-Clause
"""--netns container:ID and pod:UID, by what cgroups are called: in a cgroup2 and in a v1 hierarchy, and with a real podman."""

import contextlib
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest
from support.command import line, needs, run, tcpdrop, words
from support.holder import Holder

import tcpdrop as package
from tcpdrop.system import containers

pytestmark = [pytest.mark.only_on("linux", reason="network namespaces")]

ID, UID = "0123456789abcdef" * 4, "8f2c1a64-0d3b-4f6e-9a57-1c2d3e4f5a6b"
POD = UID.replace("-", "_")

#: the path of a cgroup -> the containers that it is in
CONTAINERS = {
    f"/system.slice/docker-{ID}.scope": [ID],
    f"/docker/{ID}": [ID],
    f"/docker/{ID}/system.slice/nginx.service": [ID],
    f"/../docker-{ID}.scope": [ID],
    f"/machine.slice/libpod-{ID}.scope/container": [ID],
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope": [ID],
    f"/libpod_parent/libpod-{ID}": [ID],
    f"/system.slice/nerdctl-{ID}.scope": [ID],
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD}.slice/cri-containerd-{ID}.scope": [ID],
    f"/kubepods.slice/kubepods-pod{POD}.slice/crio-{ID}.scope": [ID],
    f"/kubepods/besteffort/pod{UID}/{ID}": [ID],
    f"/docker/{ID}/kubepods/pod{UID}/{ID[::-1]}": [ID, ID[::-1]],
    "/machine.slice/machine-web\\x2d1.scope/payload": ["web-1"],
    "/machine.slice/systemd-nspawn@web.service/payload": ["web"],
    f"/machine.slice/libpod-conmon-{ID}.scope": [],
    f"/kubepods.slice/crio-conmon-{ID}.scope": [],
    f"/system.slice/docker-{ID[:-1]}.scope": [],
    f"/user.slice/my-{ID}": [],
    "/system.slice/docker.service": [],
    "/": [],
}
PODS = {
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD}.slice/cri-containerd-{ID}.scope": [UID],
    f"/kubepods.slice/kubepods-pod{POD}.slice/crio-{ID}.scope": [UID],
    f"/kubepods/besteffort/pod{UID}/{ID}": [UID],
    f"/kubepods/pod{ID[:32]}/{ID}": [ID[:32]],  # a static pod's has no dashes
    "/kubepods.slice/kubepods-burstable.slice": [],
    f"/docker/{ID}": [],
}


@pytest.mark.pure
@pytest.mark.parametrize(("kind", "table"), [("container", CONTAINERS), ("pod", PODS)])
def test_what_the_paths_of_cgroups_say(kind, table):
    assert {path: containers.names(kind, path) for path in table} == table


# ---- in hierarchies of our own

HIERARCHIES = {"v2": "-t cgroup2", "v1": "-t cgroup -o none,name=tcpdrop-test"}
MOUNTED = 'mount {how} none "$1" && cd "$1" && shift && exec "$@"'


class Groups:
    """Cgroups below one of our own, made and taken away in a private mount namespace."""

    def __init__(self, kind, place):
        self._how, self._place, self._made = MOUNTED.format(how=HIERARCHIES[kind]), place, []
        self._root = f"tcpdrop-{secrets.token_hex(4)}"

    def _run(self, script, *args):
        return run("unshare", "--mount", "sh", "-c", self._how, "sh", self._place, "sh", "-c", script, "sh", *args)

    def put(self, path, *pids):
        """Move processes into the cgroup of this path, made for them."""
        made = f"{self._root}{path}"
        done = self._run('mkdir -p "$1" && for pid in $2; do echo "$pid" > "$1/cgroup.procs" || exit; done', made, " ".join(map(str, pids)))
        self._made.append(made)
        if done.status:
            pytest.skip(f"no such hierarchy here: {done.err.strip()}")

    def close(self, *pids):
        self._run(
            'for pid in $1; do echo "$pid" > cgroup.procs; done; find "$2" -depth -type d -exec rmdir {} +',
            " ".join(map(str, pids)),
            self._root,
        )


@pytest.fixture(params=HIERARCHIES)
def groups(request, tmp_path):
    needs("unshare", "--mount")
    made = Groups(request.param, tmp_path)
    with contextlib.ExitStack() as holders:
        made.holder = lambda **how: holders.enter_context(Holder(**{"netns": True, **how}))
        yield made
    made.close()


@pytest.mark.privileged
@pytest.mark.real_root
def test_a_container_by_the_beginning_of_its_id(groups):
    name = secrets.token_hex(32)
    theirs = groups.holder()
    groups.put(f"/system.slice/docker-{name}.scope", theirs.pid)
    one, other, third = (theirs.pair() for _ in range(3))
    listed = tcpdrop("list", "-H", "--netns", f"container:{name[:12]}", f"lport {one.lport}")
    assert listed.status == 0 and str(one.rport) in listed.out, listed
    done = tcpdrop("drop", "--netns", f"container:{name[:12]}", f"lport {one.lport}")
    assert (done.status, one.state()) == (0, None) and line(one) in done.out
    assert tcpdrop("--netns", f"container:{name}", *words(other)).status == 0
    assert other.state() is None
    assert package.drop(f"lport {third.lport}", netns=f"container:{name[:8]}").counts == {"dropped": 1}
    absent = tcpdrop("list", "--netns", f"container:{name[::-1]}")
    assert (absent.status, absent.out) == (3, "")
    assert "docker ps, podman ps and crictl ps show ids" in absent.err


@pytest.mark.privileged
@pytest.mark.real_root
def test_two_that_fit_are_said_and_none_is_entered(groups):
    same = secrets.token_hex(6)
    names = [same + character * 52 for character in "ab"]
    both = [groups.holder(), groups.holder()]
    for name, one in zip(names, both):
        groups.put(f"/machine.slice/libpod-{name}.scope/container", one.pid)
    pairs = [one.pair() for one in both]
    for form in (["drop", f"lport {pairs[0].lport}"], ["list"], words(pairs[0])):
        done = tcpdrop("--netns", f"container:{same}", *form)
        assert (done.status, done.out) == (2, ""), done
        assert f"'container:{same}' fits 2: {names[0][:16]}, {names[1][:16]}\n" in done.err
    with pytest.raises(ValueError, match="fits 2: "):
        package.drop("lport 1", netns=f"container:{same}")
    assert tcpdrop("drop", "--netns", f"container:{same}b", f"lport {pairs[1].lport}").status == 0
    assert (pairs[0].alive(), pairs[1].state()) == (True, None)
    empty = tcpdrop("list", "--netns", "container:")
    assert (empty.status, "must follow the colon" in empty.err) == (2, True)


@pytest.mark.privileged
@pytest.mark.real_root
def test_a_pod_is_one_namespace_with_many_containers(groups):
    uid = f"{secrets.token_hex(4)}-0d3b-4f6e-9a57-{secrets.token_hex(6)}"
    theirs = groups.holder()
    slice_ = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    groups.put(f"{slice_}/cri-containerd-{secrets.token_hex(32)}.scope", theirs.pid)
    with subprocess.Popen(["nsenter", "-t", str(theirs.pid), "-n", "sleep", "100"]) as sidecar:
        try:
            groups.put(f"{slice_}/cri-containerd-{secrets.token_hex(32)}.scope", sidecar.pid)
            for text in (uid, uid[:8], uid[:13], uid[:13].replace("-", "_")):
                pair = theirs.pair()
                done = tcpdrop("drop", "--netns", f"pod:{text}", f"lport {pair.lport}")
                assert (done.status, pair.state()) == (0, None), done
        finally:
            sidecar.kill()


@pytest.mark.privileged
@pytest.mark.real_root
def test_a_machine_and_who_watches_over_it(groups, tmp_path):
    """An exact name is the one that is meant; systemd-nspawn itself may share the cgroup, and is in the host's namespace."""
    name = f"web-{secrets.token_hex(4)}"
    watcher = tmp_path / "systemd-nspawn"
    shutil.copy(shutil.which("sleep"), watcher)
    theirs, longer = groups.holder(), groups.holder()
    pair = theirs.pair()
    with subprocess.Popen([watcher, "100"]) as process:
        try:
            groups.put(f"/machine.slice/machine-{name.replace('-', chr(92) + 'x2d')}.scope", process.pid, theirs.pid)
            groups.put(f"/machine.slice/systemd-nspawn@{name}2.service/payload", longer.pid)
            done = tcpdrop("drop", "--netns", f"container:{name}", f"lport {pair.lport}")
            assert (done.status, pair.state()) == (0, None), done
            assert tcpdrop("list", "--netns", f"container:{name[:-1]}").status == 2
        finally:
            process.kill()


@pytest.mark.privileged
@pytest.mark.real_root
def test_a_container_with_two_namespaces_is_asked_about(groups):
    name = secrets.token_hex(32)
    one, other = groups.holder(), groups.holder()
    groups.put(f"/docker/{name}", one.pid, other.pid)
    done = tcpdrop("list", "--netns", f"container:{name[:12]}")
    assert (done.status, done.out) == (2, "")
    first, second = sorted((one.pid, other.pid))
    assert f"has 2 network namespaces: write /proc/{first}/ns/net or /proc/{second}/ns/net\n" in done.err


# ---- an engine

PODMAN = "podman --root {0}/store --runroot {0}/run --tmpdir {0}/tmp --cgroup-manager=cgroupfs --runtime {1}"
LIMITS = "--ulimit nofile=1024:1024 --ulimit nproc=1000:1000"


@pytest.mark.privileged
@pytest.mark.real_root
def test_podman(tmp_path):
    """A container without an image: a root with one static program."""
    if shutil.which("podman") is None:
        pytest.skip("no podman here (apt-get install podman runc)")
    root, source = tmp_path / "root", tmp_path / "hold.c"
    for name in ("bin", "proc", "dev", "sys", "etc", "tmp", "run"):
        (root / name).mkdir(parents=True)
    source.write_text("int pause(void);\nint main(void) { for (;;) pause(); }\n")
    if run("cc", "-static", "-o", root / "bin" / "hold", source).status:
        pytest.skip("no static C library here")
    runtime = next((name for name in ("runc", "crun") if shutil.which(name)), "crun")
    podman = ("unshare", "--mount", *PODMAN.format(tmp_path, runtime).split())
    started = run(*podman, "run", "-d", "--network=none", *LIMITS.split(), "--rootfs", root, "/bin/hold")
    if started.status:
        pytest.skip(f"podman runs nothing here: {started.err.strip()[-200:]}")
    try:
        name = started.out.strip()
        pid = int(run(*podman, "inspect", name, "--format", "{{.State.Pid}}").out)
        with Holder(wrapper=("nsenter", "-t", str(pid), "-n")) as theirs:
            pair = theirs.pair()
            done = tcpdrop("drop", "--netns", f"container:{name[:12]}", f"lport {pair.lport}")
            assert (done.status, pair.state()) == (0, None), done
    finally:
        run(*podman, "rm", "-f", "-t", "0", "-a")
    assert tcpdrop("list", "--netns", f"container:{name[:12]}").status == 3
    assert not Path(f"/proc/{pid}").exists()
