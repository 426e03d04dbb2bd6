#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boot kernels that Debian serves, emulated, on this very file system, and run a command inside.

    tools/kernels.py SUITE[/MACHINE],... COMMAND...     bullseye,bookworm/s390x tools/big_endian.sh

The newest kernel of each suite is fetched by apt, which checks it, and kept in TCPDROP_KERNELS
(/var/cache/tcpdrop-kernels).  Its guest sees this host's files over 9p, read-only below a layer in its own
memory; for another machine than amd64 a Debian that was unpacked for it, and of this host's the working
directory.  The command is root there, and nothing of the host is written to.  Never by KVM: where that opens
and does not work, a guest hangs in it.

A kernel that cannot be had is skipped and says why; one that gives no answer within TCPDROP_KERNELS_SECONDS
(7200) fails, or is skipped where TCPDROP_KERNELS_LATE=skip.
"""

import contextlib
import lzma
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get("TCPDROP_KERNELS", "/var/cache/tcpdrop-kernels"))
MIRROR = os.environ.get("TCPDROP_MIRROR", "http://deb.debian.org/debian")
SECONDS = float(os.environ.get("TCPDROP_KERNELS_SECONDS", "7200"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# emulator, its package, its options
MACHINES = {
    "amd64": (
        "qemu-system-x86_64",
        "qemu-system-x86",
        ["-accel", "tcg,thread=multi", "-append", "console=ttyS0 panic=-1 quiet mitigations=off"],
    ),
    "s390x": ("qemu-system-s390x", "qemu-system-misc", ["-append", "panic=-1 quiet"]),
}
# What it boots from comes first; then what tests ask for, and a kernel would load by itself.
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
MODULES += ("tcp_diag", "udp_diag", "unix_diag", "mptcp_diag", "af_packet", "veth", "vrf", "dummy", "ip_gre", "tcp_bbr", "tls")
# In the other machine's Debian, beside what brings these; nothing is configured there.
PACKAGES = "python3-dev,gcc,libc6-dev,iproute2,mount,util-linux,procps,dash,bash,coreutils,findutils,grep,sed,base-files,base-passwd"

# The initramfs.  What is written goes to the layer.
INIT = """\
#!/busybox sh
/busybox mkdir -p /proc /dev /lower /tree /layer /root
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /busybox insmod "/modules/$module"; done
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /lower
/busybox mount -t tmpfs layer /layer
/busybox mkdir /layer/up /layer/work
/busybox mount -t overlay -o lowerdir=/lower,upperdir=/layer/up,workdir=/layer/work root /root
/busybox mount -o move /dev /root/dev
/busybox umount /proc
/busybox cp /busybox /session /root/
exec /busybox switch_root /root /bin/sh /session
"""

# One port of the virtual serial device takes what the command says, another its status.
SESSION = """\
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm {here}
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
ip link set lo up
export PATH='{path}' HOME=/run TMPDIR=/run TERM=dumb PYTHONDONTWRITEBYTECODE=1 {kept}
{mount}
cd {here}
{{ cat /proc/version; {command}; echo $? >/run/status; }} 2>&1 </dev/null | cat >"$(echo /dev/vport*p1)"
cat /run/status >"$(echo /dev/vport*p2)"
/busybox poweroff -f
"""
TREE = "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro tree {here}"


class CannotBe(Exception):
    """Why a kernel cannot be had here."""


def ask(*words, **options):
    """What a command prints."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300, **options).stdout
    except subprocess.CalledProcessError as e:
        raise CannotBe(f"{words[0]}: {(e.stderr.strip().splitlines() or [e])[-1]}") from e
    except subprocess.TimeoutExpired as e:
        raise CannotBe(f"{words[0]}: no answer within {e.timeout:.0f} s") from e


def need(program, package):
    if shutil.which(program) is None:
        raise CannotBe(f"no {program} (apt-get install {package})")


def apt(suite, machine):
    """The options by which apt-get and apt-cache know this suite alone, and this host's lists stay as they are."""
    place = CACHE / "apt" / f"{suite}-{machine}"
    for name in ("lists/partial", "archives/partial"):
        (place / name).mkdir(parents=True, exist_ok=True)
    sources = [(MIRROR, suite)] + [(f"{MIRROR}-security", f"{suite}-security")] * (suite != "sid" and machine == "amd64")
    (place / "list").write_text("".join(f"deb [arch={machine} signed-by={KEYRING}] {uri} {name} main\n" for uri, name in sources))
    where = {
        "State": place,
        "State::status": "/dev/null",
        "Cache": place,
        "Etc::sourcelist": place / "list",
        "Etc::sourceparts": "/dev/null",
    }
    options = [f"-oDir::{key}={value}" for key, value in where.items()]
    return [*options, "-qq", f"-oAPT::Architecture={machine}", "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]


def newest(suite, machine):
    """The version of the newest kernel, and the packages that it comes in."""
    options = apt(suite, machine)
    ask("apt-get", *options, "update")
    latest = ask("apt-cache", *options, "show", "--no-all-versions", f"linux-image-{machine}")
    image = re.search(r"^Depends:.* (linux-image-\S+)", latest, re.M).group(1)
    version = re.search(r"^Version: (\S+)", latest, re.M).group(1)
    depends = re.search(r"^Depends: (.*)", ask("apt-cache", *options, "show", image), re.M).group(1)
    return version, [image, *re.findall(r"linux-(?:binary|modules)-[^ ,]+", depends)]


def kernel(suite, machine):
    """Where a suite's kernel lies: vmlinuz, busybox, and modules/ by number in the order in which they are loaded."""
    prefix = f"{suite}-{machine}_"
    try:
        version, packages = newest(suite, machine)
    except CannotBe:
        kept = sorted(CACHE.glob(f"{prefix}*/modules"), key=os.path.getmtime)
        if not kept:
            raise
        return kept[-1].parent
    place = CACHE / f"{prefix}{version}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            ask("apt-get", *apt(suite, machine), "download", "busybox-static", *packages, cwd=scratch)
            for package in Path(scratch).glob("*.deb"):
                ask("dpkg-deb", "-x", package, f"{scratch}/tree")
            keep(Path(scratch, "tree"), Path(scratch, "new"))
            Path(scratch, "new").rename(place)
    return place


def keep(tree, place):
    """Of the packages' files those that a boot needs."""
    (place / "modules").mkdir(parents=True)
    shutil.copy(next(tree.rglob("vmlinuz*")), place / "vmlinuz")
    shutil.copy(next(tree.rglob("bin/busybox")), place / "busybox")
    files = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    order = []

    def add(name):
        path = files.get(name)  # else it is built in, or there is none
        if path is None or name in order:
            return
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        for other in re.search(rb"\0depends=([^\0]*)\0", data).group(1).decode().split(","):
            add(other.replace("-", "_"))
        (place / "modules" / f"{len(order):02d}-{name}").write_bytes(data)
        order.append(name)

    for name in MODULES:
        add(name)


def root(suite, machine):
    """The directory that the guest has for its root."""
    if machine == "amd64":
        return Path("/")
    place = CACHE / f"{suite}-{machine}-root"
    if not place.exists():
        need("mmdebstrap", "mmdebstrap")
        new = CACHE / f"{place.name}.new"
        shutil.rmtree(new, ignore_errors=True)
        # Unpacked alone: to configure it would take that machine.
        ask("mmdebstrap", "--quiet", "--variant=extract", f"--architectures={machine}", f"--include={PACKAGES}", suite, new, MIRROR)
        for name in ("passwd", "group"):
            shutil.copy(new / f"usr/share/base-passwd/{name}.master", new / "etc" / name)
        (new / "usr/bin/cc").symlink_to("gcc")  # alternatives are what is configured
        new.rename(place)
    return place


def cpio(files):
    """An archive as the kernel unpacks it: of (name, mode, content).  initramfs-buffer-format"""
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        header = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % value for value in header) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return archive


def initramfs(place, mount, command):
    modules = sorted((place / "modules").iterdir())
    here = shlex.quote(os.getcwd())
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    kept = " ".join(f"{name}={shlex.quote(value)}" for name, value in os.environ.items() if name.startswith(("TCPDROP_", "PYTEST_")))
    session = SESSION.format(path=path, kept=kept, here=here, mount=mount.format(here=here), command=shlex.join(command))
    files = [("init", 0o100755, INIT.format(modules=" ".join(m.name for m in modules)).encode()), ("session", 0o100644, session.encode())]
    files += [("busybox", 0o100755, (place / "busybox").read_bytes()), ("modules", 0o40755, b"")]
    return cpio(files + [(f"modules/{m.name}", 0o100644, m.read_bytes()) for m in modules])


def boot(suite, machine, command):
    """The command's status in that kernel; what it prints comes out as it comes."""
    emulator, package, options = MACHINES[machine]
    if os.geteuid():
        raise CannotBe("root alone can show all of this file system")
    need(emulator, package)
    began = time.monotonic()
    place, top = kernel(suite, machine), root(suite, machine)
    print(f"== {place.name}", flush=True)
    qemu = [emulator, *options, "-smp", str(min(2, os.cpu_count())), "-m", "2G", "-cpu", "max"]
    qemu += ["-nodefaults", "-display", "none", "-no-reboot", "-kernel", place / "vmlinuz"]
    exports = {"root": top} if top == Path("/") else {"root": top, "tree": os.getcwd()}
    for tag, path in exports.items():
        qemu += ["-fsdev", f"local,id={tag},path={path},security_model=none,readonly=on,multidevs=remap"]
        qemu += ["-device", f"virtio-9p,fsdev={tag},mount_tag={tag}"]
    with tempfile.TemporaryDirectory() as scratch:
        ramdisk, console, status = (Path(scratch, name) for name in ("initramfs", "console", "status"))
        mount = TREE if "tree" in exports else ""
        ramdisk.write_bytes(initramfs(place, mount, command))
        qemu += ["-initrd", ramdisk, "-serial", f"file:{console}", "-device", "virtio-serial"]
        qemu += ["-chardev", "stdio,id=out,signal=off", "-device", "virtserialport,nr=1,chardev=out"]
        qemu += ["-chardev", f"file,id=status,path={status}", "-device", "virtserialport,nr=2,chardev=status"]
        try:
            # At the end of its input the emulator would hang up, and the guest wait for ever.
            read, write = os.pipe()
            with open(read, "rb") as silent, open(write, "wb"):
                subprocess.run(qemu, stdin=silent, timeout=max(1, began + SECONDS - time.monotonic()))
        except subprocess.TimeoutExpired:
            if os.environ.get("TCPDROP_KERNELS_LATE") == "skip":
                raise CannotBe(f"not done within {SECONDS:.0f} s on this machine") from None
            print(f"not done within {SECONDS:.0f} s")
        print(console.read_text(errors="replace") if console.exists() else "", end="")
        answer = 1
        with contextlib.suppress(FileNotFoundError, ValueError):
            answer = int(status.read_text())
    print(f"== {place.name}: status {answer} after {time.monotonic() - began:.0f} s", flush=True)
    return answer


def main(kernels, *command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the emulator ends with us
    worst = 0
    for name in kernels.split(","):
        suite, _, machine = name.partition("/")
        try:
            worst = max(worst, boot(suite, machine or "amd64", command))
        except CannotBe as e:
            print(f"SKIPPED: the kernel of {name}: {e}\n0 passed, 0 failed, 1 skipped", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
