# SPDX-License-Identifier: BSD-2-Clause
"""The command finds its library wherever it was installed; each place is installed to for real."""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from support.command import needs, run
from support.install import BASE, PIP, ROOT, SYSTEM, pip, venv

pytestmark = [pytest.mark.pure, pytest.mark.timeout(600)]

SUDO_ENV = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONUSERBASE": ""}


@pytest.fixture
def stray(tmp_path):
    """A directory of modules that must not be run, and the environment that would."""
    place = tmp_path / "stray"
    place.mkdir()
    for name in ("tcpdrop", "errno", "os", "struct", "sitecustomize", "usercustomize", "socket"):
        (place / f"{name}.py").write_text(f"raise SystemExit('{name} ran')\n", encoding="utf-8")
    for name in ("readlink", "env", "sh", "dirname", "python"):
        (place / name).write_text(f"#!/bin/sh\necho {name} ran\n", encoding="utf-8")
        (place / name).chmod(0o755)
    return {
        "cwd": place,
        "env": {
            "PYTHONPATH": f"{place}:.",
            "PYTHONHOME": str(place),
            "PYTHONSTARTUP": str(place / "os.py"),
            "PATH": f".:{place}:{os.environ['PATH']}",
        },
    }


def files(place):
    """What pip is to take away again; it leaves empty directories."""
    return {path for path in Path(place).rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.fixture
def works(version, stray):
    """Run it: its own library, another's modules never, and a connection is dropped."""

    def check(command, library, wrapper=(), **how):
        assert run(*wrapper, command, "--version", **how) == (0, f"tcpdrop {version}\n", "")
        assert run(*wrapper, command, "--version", **{**stray, **how}) == (0, f"tcpdrop {version}\n", "")
        said = run(*wrapper, command, "--json", "paths", **{**stray, **how})
        assert said.status == 0, said
        assert Path(json.loads(said.out)["salt"]).is_relative_to(Path(library).resolve()), said
        demo = run(*wrapper, command, "demo", **{**stray, **how})
        assert (demo.status, demo.err) == (0, ""), demo
        assert ": dropped" in demo.out

    return check


# ---- venvs


@pytest.mark.parametrize("kind", ["abi3", "own"])
@pytest.mark.parametrize("options", [[], ["--system-site-packages"], ["--copies"]], ids=" ".join)
def test_venv(tmp_path, wheels, works, kind, options):
    place = venv(tmp_path / "venv", *options)
    empty = files(place)
    pip(place / "bin/python3", "install", "--no-deps", wheels[kind])
    works(place / "bin/tcpdrop", place)
    pip(place / "bin/python3", "uninstall", "--yes", "tcpdrop")
    assert files(place) == empty


def test_venv_with_blanks_and_quotes_in_its_path(tmp_path, wheels, works):
    place = venv(tmp_path / "a b'$c ü")
    pip(place / "bin/python3", "install", "--no-deps", wheels["own"])
    works(place / "bin/tcpdrop", place)


def test_venv_by_symbolic_links(tmp_path, wheels, works):
    """To the command, to that link, to bin/, and to the whole of it."""
    place = venv(tmp_path / "venv")
    pip(place / "bin/python3", "install", "--no-deps", wheels["own"])
    (tmp_path / "one").symlink_to(place / "bin/tcpdrop")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "bin").symlink_to(place / "bin")
    (tmp_path / "current").symlink_to("venv")
    for command in ("one", "two", "bin/tcpdrop", "current/bin/tcpdrop"):
        works(tmp_path / command, place)


def test_a_venv_whose_python_is_gone(tmp_path, wheels, works, version):
    """Any other that the C module fits, and else a line that says which is missing."""
    place = venv(tmp_path / "venv")
    pip(place / "bin/python3", "install", "--no-deps", wheels["own"])
    for link in (place / "bin").glob("python*"):
        link.unlink()
    works(place / "bin/tcpdrop", place, env={"PATH": f"{BASE.parent}:{os.environ['PATH']}"})
    module = next(place.glob("lib*/python3*/site-packages/tcpdrop/_tcpdrop.*so"))
    module.rename(module.with_name("_tcpdrop.cpython-377-x86_64-linux-gnu.so"))
    done = run(place / "bin/tcpdrop", "--version")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith(f"tcpdrop: no python3.77 here, for which the library in {place}/bin/../lib")
    assert done.err.endswith("/site-packages was built: install either again\n")
    assert done.err.count("\n") == 1


def test_a_venv_that_was_moved(tmp_path, wheels, works):
    venv(tmp_path / "before")
    pip(tmp_path / "before/bin/python3", "install", "--no-deps", wheels["own"])
    (tmp_path / "before").rename(tmp_path / "behind")
    works(tmp_path / "behind/bin/tcpdrop", tmp_path / "behind")


def test_a_venv_in_a_directory_of_another_encoding(tmp_path, wheels, version):
    pip(venv(tmp_path / "venv") / "bin/python3", "install", "--no-deps", wheels["own"])
    place = (tmp_path / "venv").rename(tmp_path / "caf\udce9")
    # From 3.13 on CPython itself loads nothing from there.
    tried = run(place / "bin/python3", "-I", "-c", "try: import tcpdrop._tcpdrop\nexcept UnicodeError: print('no')")
    assert (tried.status, tried.err) == (0, "")
    for locale in ("C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1"):
        assert run(place / "bin/tcpdrop", "--version", env={"LC_ALL": locale}) == (0, f"tcpdrop {version}\n", "")
        done = run(place / "bin/tcpdrop", "demo", env={"LC_ALL": locale})
        if tried.out:
            assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done
            assert done.err.endswith("/tcpdrop): install tcpdrop elsewhere\n")
        else:
            assert done.status == 0, done


def test_nothing_of_the_environment(tmp_path, wheels, works, version):
    """No HOME, no PATH worth the name, and a working directory that is gone."""
    place = venv(tmp_path / "venv")
    pip(place / "bin/python3", "install", "--no-deps", wheels["own"])
    (tmp_path / "link").symlink_to(place / "bin/tcpdrop")
    for command in (place / "bin/tcpdrop", tmp_path / "link"):
        for name in ("PATH=/nonexistent", "PATH=", "A=b"):
            assert run("env", "-i", name, command, "--version") == (0, f"tcpdrop {version}\n", "")
            assert run("env", "-i", name, command, "demo").status == 0
        (tmp_path / "gone").mkdir()
        done = run("sh", "-c", f"cd gone && rmdir ../gone && exec {command} --version", cwd=tmp_path)
        assert (done.status, done.out) == (0, f"tcpdrop {version}\n"), done


@pytest.fixture
def two(tmp_path, wheels):
    """A prefix after an upgrade of Python: our library in the directory of either, one of them of an old version of ours."""
    pip(BASE, "install", "--no-deps", "--prefix", tmp_path / "prefix", wheels["abi3"])
    command = next((tmp_path / "prefix").rglob("bin/tcpdrop"))
    new = next(command.parents[1].glob("lib*/python3*/*-packages/tcpdrop"))
    old = command.parents[1] / "lib/python3.1/site-packages/tcpdrop"
    shutil.copytree(new, old)
    (old / "__init__.py").write_text('__version__ = "0.0.old"\n', encoding="utf-8")
    return command, {"old": next(old.glob("_tcpdrop.*so")), "new": next(new.glob("_tcpdrop.*so"))}


@pytest.mark.parametrize("last", ["old", "new"])
def test_of_two_libraries_the_one_that_was_installed_last(two, version, last):
    command, modules = two
    for name, module in modules.items():
        os.utime(module, (1, 2 if name == last else 1))
    done = run(command, "--version", env={"PATH": f"{BASE.parent}:{os.environ['PATH']}"})
    assert done == (0, f"tcpdrop {version if last == 'new' else '0.0.old'}\n", "")


def test_of_two_libraries_the_one_whose_python_is_here(two, version):
    command, modules = two
    os.utime(modules["new"], (1, 1))
    modules["old"].rename(modules["old"].with_name("_tcpdrop.cpython-31-x86_64-linux-gnu.so"))
    done = run(command, "--version", env={"PATH": f"{BASE.parent}:{os.environ['PATH']}"})
    assert done == (0, f"tcpdrop {version}\n", "")


def test_each_sh(tmp_path, wheels, stray, version):
    """Which of them is called sh is the system's choice; ksh is that of SunOS."""
    place = venv(tmp_path / "venv")
    pip(place / "bin/python3", "install", "--no-deps", wheels["own"])
    (tmp_path / "link").symlink_to(place / "bin/tcpdrop")
    shells = [words for words in ("dash", "bash --posix", "busybox sh", "ksh", "mksh", "yash") if shutil.which(words.split()[0])]
    assert shells
    for words in shells:
        for command in (place / "bin/tcpdrop", tmp_path / "link"):
            done = run(shutil.which(words.split()[0]), *words.split()[1:], command, "--version", **stray)
            assert done == (0, f"tcpdrop {version}\n", ""), words


def test_a_python_that_became_another_under_a_venv(tmp_path, wheels, version):
    """Its bin/python3.N is a link to what is a later one now: the module for all works on, the module for one says so."""
    others = [name for name in ("python3.9", "python3.10", "python3.12", "python3.13") if name != BASE.name]
    found = [path for name in others for path in Path(sys.base_prefix).parent.glob(f"*/bin/{name}")]
    later = [path for path in found if run(path, "-I", "-c", "pass").status == 0]
    if not later:
        pytest.skip(f"no other CPython beside {sys.base_prefix}")
    for kind in ("abi3", "own"):
        place = venv(tmp_path / kind)
        pip(place / "bin/python3", "install", "--no-deps", wheels[kind])
        for link in (place / "bin").glob("python*"):
            link.unlink()
            link.symlink_to(later[-1])
        assert run(place / "bin/tcpdrop", "--version") == (0, f"tcpdrop {version}\n", "")
        done = run(place / "bin/tcpdrop", "demo")
        if kind == "abi3":
            assert done.status == 0, done
        else:
            assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done
            assert done.err.endswith(": install tcpdrop with that Python\n")


OLD = "import sys; sys.version_info = (3, 8, 20, 'final', 0); exec(compile(open(sys.argv[1]).read(), sys.argv[1], 'exec'))"


def test_a_python_that_is_too_old():
    """RHEL 8 calls 3.6 python3: what stands before the question can be read there."""
    text = (ROOT / "bin/tcpdrop").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    done = run(BASE, "-I", "-c", OLD, ROOT / "bin/tcpdrop")
    assert done == (3, "", f"tcpdrop: {BASE} is CPython 3.8, and 3.9 or newer is needed: install it with that\n")


def test_root_leaves_nothing_in_a_user_s_directory(tmp_path, wheels):
    """uv compiles nothing: what Python would keep of its own, under sudo, the user could not take away."""
    if os.geteuid():
        pytest.skip("needs root, and another user")
    place = venv(tmp_path / "venv")
    pip(place / "bin/python3", "install", "--no-deps", "--no-compile", wheels["own"])
    if run("chown", "-R", "--no-dereference", "65534", place).status:
        pytest.skip("root has no other user here")
    before = set(place.rglob("*"))
    assert run(place / "bin/tcpdrop", "demo").status == 0
    assert set(place.rglob("*")) == before
    os.chown(next(place.glob("lib*/python3*/site-packages")), 0, 0)
    assert run(place / "bin/tcpdrop", "--version").status == 0
    assert set(place.rglob("*")) != before, "the control: what is root's own is kept"


def test_editable(tmp_path, source, works):
    place = venv(tmp_path / "venv", "--system-site-packages", python=sys.executable)
    for need in ("setuptools", "_distutils_hack", "wheel"):  # what builds, in the venv of these tests
        for found in Path(pytest.__file__).parents[1].glob(f"{need}*"):
            (next(place.glob("lib*/python3*/site-packages")) / found.name).symlink_to(found)
    pip(place / "bin/python3", "install", "--no-deps", "--no-build-isolation", "--editable", source)
    works(place / "bin/tcpdrop", source)


# ---- without a venv


@pytest.mark.parametrize("kind", ["abi3", "own"])
def test_prefix(tmp_path, wheels, works, kind):
    pip(BASE, "install", "--no-deps", "--prefix", tmp_path / "prefix", wheels[kind])
    command = next((tmp_path / "prefix").rglob("bin/tcpdrop"))  # Debian puts a local/ between
    works(command, tmp_path / "prefix", env={"PATH": f"{BASE.parent}:{os.environ['PATH']}"})


@pytest.mark.parametrize("kind", ["abi3", "own"])
def test_target(tmp_path, wheels, works, kind):
    pip(BASE, "install", "--no-deps", "--target", tmp_path / "target", wheels[kind])
    works(tmp_path / "target/bin/tcpdrop", tmp_path / "target", env={"PATH": f"{BASE.parent}:{os.environ['PATH']}"})


def test_target_without_a_python_that_fits(tmp_path, wheels):
    pip(BASE, "install", "--no-deps", "--target", tmp_path / "target", wheels["own"])
    module = next((tmp_path / "target/tcpdrop").glob("_tcpdrop.*so"))
    module.rename(module.with_name("_tcpdrop.cpython-314t-x86_64-linux-gnu.so"))
    done = run(tmp_path / "target/bin/tcpdrop", "--version", env={"PATH": "/usr/bin:/bin"})
    assert (done.status, done.out) == (3, "")
    assert "no python3.14t here" in done.err
    assert done.err.count("\n") == 1


@pytest.fixture
def system_python():
    """The distribution's own, which is not the one that runs these tests."""
    done = run(SYSTEM, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 9))")
    if done.status:
        pytest.skip(f"no {SYSTEM} from 3.9 on")
    return SYSTEM


def test_user(tmp_path, wheels, works, system_python):
    """~/.local, which an isolated Python does not look into."""
    home = {"HOME": str(tmp_path / "home"), "PYTHONUSERBASE": ""}
    pip(system_python, "install", "--no-deps", "--user", wheels["abi3"], env=home)
    works(tmp_path / "home/.local/bin/tcpdrop", tmp_path / "home", env=home)
    works(tmp_path / "home/.local/bin/tcpdrop", tmp_path / "home", env=SUDO_ENV)
    pip(system_python, "uninstall", "--yes", "tcpdrop", env=home)
    assert not files(tmp_path / "home/.local")


def test_user_of_a_venv_that_is_no_site_package(tmp_path, wheels, works, system_python):
    """Of ~/.local only our package is taken, even with the strangest neighbours."""
    home = {"HOME": str(tmp_path / "home"), "PYTHONUSERBASE": ""}
    pip(system_python, "install", "--no-deps", "--user", wheels["abi3"], env=home)
    site = next((tmp_path / "home/.local/lib").glob("python3*/site-packages"))
    for name in ("os", "errno", "struct", "socket", "json", "sitecustomize", "usercustomize", "pathlib", "selectors"):
        (site / f"{name}.py").write_text(f"raise SystemExit('{name} ran')\n", encoding="utf-8")
    (site / "x.pth").write_text("import os; os.write(2, b'pth ran')\n", encoding="utf-8")
    works(tmp_path / "home/.local/bin/tcpdrop", tmp_path / "home", env=home)


def test_user_under_sudo(tmp_path, wheels, version, system_python):
    """The real sudo, which takes HOME and PATH away."""
    needs("sudo", "-n", "-u", "root")
    pip(system_python, "install", "--no-deps", "--user", wheels["abi3"], env={"HOME": str(tmp_path), "PYTHONUSERBASE": ""})
    assert run("sudo", "-n", tmp_path / ".local/bin/tcpdrop", "--version").out == f"tcpdrop {version}\n"
    assert run("sudo", "-n", tmp_path / ".local/bin/tcpdrop", "demo").status == 0


# ---- places of the system, in a mount namespace of their own


@pytest.fixture
def overlaid(tmp_path):
    """Run a script of sh where /usr and /root may be written to, and nobody sees it."""
    layer = "mount -t overlay -o lowerdir={0},upperdir=$new{0}/up,workdir=$new{0}/work none {0}"
    places = ("/usr", "/opt")
    new = tmp_path / "layers"
    new.mkdir()
    script = f"set -e; new={new}; mount -t tmpfs none $new\n"
    script += "\n".join(f"mkdir -p $new{place}/up $new{place}/work; {layer.format(place)}" for place in places)
    script += "\ntouch /usr/local/bin/.ours  # root of a user namespace may mount, but these are not its own"
    needs("unshare", "-m", "sh", "-c", script)
    return lambda text, **how: run(
        "unshare", "-m", "sh", "-c", f"{script}\n{text}", **{"timeout": 300, **how, "env": {**PIP, **how.get("env", {})}}
    )


#: what each of them ends with
DROPS = 'cd /; "$command" demo | grep dropped; "$command" --json paths'


@pytest.fixture
def system_pip(overlaid, system_python):
    """The command line that installs into the distribution's Python, as an administrator types it."""
    if run(system_python, "-m", "pip", "--version").status:
        return f"{sys.executable} -m pip --python {system_python} --quiet install --no-deps"
    return f"{system_python} -m pip --quiet install --no-deps"


def test_system_pip_into_usr_local(overlaid, system_pip, wheels):
    done = overlaid(f"{system_pip} --break-system-packages {wheels['abi3']}\ncommand=/usr/local/bin/tcpdrop\n{DROPS}")
    assert done.status == 0, done
    assert json.loads(done.out.splitlines()[-1])["salt"].startswith("/usr/local/lib")


@pytest.mark.parametrize("place", ["/usr/bin", "/usr/sbin", "/bin", "/sbin"])
def test_a_distribution(overlaid, system_pip, wheels, place):
    """As Debian's packages lie: /usr/lib/python3/dist-packages, and the command where the packager likes."""
    move = "" if place.endswith("/bin") else "mv /usr/bin/tcpdrop /usr/sbin/\n"
    install = f"DEB_PYTHON_INSTALL_LAYOUT=deb {system_pip} --prefix /usr {wheels['abi3']}\n{move}command={place}/tcpdrop\n"
    done = overlaid(install + DROPS)
    assert done.status == 0, done
    assert json.loads(done.out.splitlines()[-1])["salt"].startswith("/usr/lib")


def test_a_copy_in_usr_local_sbin_finds_the_library_of_the_system(overlaid, system_pip, wheels):
    done = overlaid(f"{system_pip} {wheels['abi3']}\ncommand=/usr/local/sbin/tcpdrop\ncp /usr/local/bin/tcpdrop $command\n{DROPS}")
    assert done.status == 0, done


COPIED = """
{system} -m venv --without-pip /opt/tcpdrop
{python} -m pip --python /opt/tcpdrop/bin/python3 --quiet install --no-deps {wheel}
cp /opt/tcpdrop/bin/tcpdrop /usr/local/sbin/tcpdrop
rm -f /usr/local/bin/tcpdrop /usr/bin/tcpdrop
set +e
/usr/local/sbin/tcpdrop --version
echo $?
"""


NOEXEC = """
mount -t tmpfs -o noexec none /opt
{system} -m venv --without-pip /opt/tcpdrop
{python} -m pip --python /opt/tcpdrop/bin/python3 --quiet install --no-deps {wheel}
set +e
/opt/tcpdrop/bin/tcpdrop --version 2>/dev/null
echo $?
sh /opt/tcpdrop/bin/tcpdrop --version
sh /opt/tcpdrop/bin/tcpdrop list
echo $?
"""


def test_where_nothing_may_be_executed(overlaid, wheels, system_python, version):
    """The shell's own word, and by sh the loader's in a line."""
    done = overlaid(NOEXEC.format(system=system_python, python=sys.executable, wheel=wheels["abi3"]))
    assert done.out == f"126\ntcpdrop {version}\n3\n", done
    assert done.err.count("\n") == 1
    assert "_tcpdrop.abi3.so: failed to map segment" in done.err


def test_a_copy_of_a_venv_s_command_says_what_to_type(overlaid, wheels, system_python):
    done = overlaid(COPIED.format(system=system_python, python=sys.executable, wheel=wheels["abi3"]), env={"PATH": SUDO_ENV["PATH"]})
    assert done.out == "3\n", done
    assert done.err.startswith("tcpdrop: no library beside /usr/local/sbin/tcpdrop, and /usr/")
    assert done.err.endswith("has none: type /opt/tcpdrop/bin/tcpdrop, or link to it\n")
    assert done.err.count("\n") == 1


def test_a_copy_and_no_other(tmp_path, wheels):
    shutil.copy(ROOT / "bin/tcpdrop", tmp_path)
    done = run(tmp_path / "tcpdrop", "127.0.0.1", "1", "127.0.0.1", "2", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    if done.status == 1 and "not found" in done.err:
        pytest.skip("this host's own Python has tcpdrop")
    assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done


def test_no_python_at_all(tmp_path):
    """Not the shell's words and its 127."""
    (tmp_path / "bin").mkdir()
    text = (ROOT / "bin/tcpdrop").read_text(encoding="utf-8")
    (tmp_path / "bin/tcpdrop").write_text(text.replace(" /usr/bin /usr/local/bin ", " "), encoding="utf-8")
    done = run("sh", tmp_path / "bin/tcpdrop", "--version", env={"PATH": ".:bin"})
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("tcpdrop: no python3 in ")


# ---- tools that make a venv themselves


def test_pipx(tmp_path, wheels, works, version):
    pipx = [sys.executable, "-m", "pipx"]
    if run(*pipx, "--version").status:
        pytest.skip("no pipx in the venv of these tests")
    env = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "PIPX_MAN_DIR": str(tmp_path / "man"), **PIP}
    env |= {"PIPX_COMPLETION_DIR": str(tmp_path / "completion")}
    done = run(*pipx, "install", "--python", BASE, "--pip-args=--no-deps --no-index", wheels["abi3"], env=env, timeout=300)
    assert done.status == 0, done
    works(tmp_path / "bin/tcpdrop", tmp_path / "pipx")
    assert (tmp_path / "man/man8/tcpdrop.8").exists()
    assert run(*pipx, "uninstall", "tcpdrop", env=env).status == 0
    assert not list((tmp_path / "bin").iterdir())
    assert not list((tmp_path / "man").rglob("tcpdrop*"))


@pytest.fixture
def uv(tmp_path):
    place = Path(sys.executable).with_name("uv")
    if not place.exists():
        pytest.skip("no uv in the venv of these tests")
    env = {f"UV_{name}": str(tmp_path / name) for name in ("TOOL_DIR", "TOOL_BIN_DIR", "CACHE_DIR")}
    return lambda *arguments: run(place, "--offline", "--no-config", *arguments, env={**env, "UV_PYTHON": str(BASE)}, timeout=300)


def test_uv_tool(tmp_path, wheels, works, uv):
    done = uv("tool", "install", wheels["abi3"])
    assert done.status == 0, done
    works(tmp_path / "TOOL_BIN_DIR/tcpdrop", tmp_path / "TOOL_DIR")
    assert uv("tool", "uninstall", "tcpdrop").status == 0
    assert not [path for path in files(tmp_path / "TOOL_DIR") | files(tmp_path / "TOOL_BIN_DIR") if "tcpdrop" in path.name]


def test_uvx(wheels, uv, version):
    assert uv("tool", "run", "--from", wheels["abi3"], "tcpdrop", "--version").out == f"tcpdrop {version}\n"
    done = uv("tool", "run", "--from", wheels["abi3"], "tcpdrop", "demo")
    assert done.status == 0, done
    assert ": dropped" in done.out
