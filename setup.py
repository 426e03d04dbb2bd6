# SPDX-License-Identifier: BSD-2-Clause
"""How the C extension is built; everything else stands in pyproject.toml.

Switches, in the environment:
  TCPDROP_BACKEND=NAME   another row of BACKENDS (tests, ports)
  TCPDROP_LIMITED_API=1  one build for every CPython from 3.9 (abi3)
  TCPDROP_WERROR=1       our own warnings, as errors (CI)
  TCPDROP_SANITIZE=1     AddressSanitizer and UndefinedBehaviorSanitizer
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PARTS = ("tcpdrop", "table", "lookup", "conversation", "arguments", "descriptor", "text", "process", "route", "file")
COMMON = [f"_{part}.c" for part in PARTS]
COMMON += ["rows.c", "tuple.c", "text.c"]

LINUX_PARTS = ["scope", "list", "openers", "times", "listeners", "drop", "threads", "descriptor", "mptcp", "process", "unix", "route"]
LINUX_PARTS += ["interfaces"]
LINUX = ["netlink.c", "inet_diag.c", "rtnetlink.c", "linux.c", *(f"linux_{part}.c" for part in LINUX_PARTS)]
SUNOS = ["sunos.c", "sunos_list.c", "sunos_many.c", "mib2.c", "mib2_finish.c"]
SIMULATOR = [f"../tests/sim/sim_{part}.c" for part in ("kernel", "tables", "lies", "streams", "host", "creator", "killer")]

# sys.platform starts with this -> (name, sources, libraries); none starts with sunos-sim
BACKENDS = {
    "linux": ("linux", LINUX, ["pthread"]),
    "sunos-sim": ("sunos-sim", [*SUNOS, "netlink.c", "inet_diag.c", *SIMULATOR], ["pthread"]),
    "sunos": ("sunos", SUNOS, ["socket", "nsl"]),
    "": ("unsupported", ["unsupported.c"], []),
}

WARNINGS = "-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror"


def backend():
    wanted = os.environ.get("TCPDROP_BACKEND")
    for platform, row in BACKENDS.items():
        if row[0] == wanted or (not wanted and sys.platform.startswith(platform)):
            return row
    raise SystemExit(f"TCPDROP_BACKEND={wanted}: not one of {', '.join(r[0] for r in BACKENDS.values())}")


def extension():
    name, sources, libraries = backend()
    # A free-threaded CPython cannot load what is built for the limited API.
    limited = os.environ.get("TCPDROP_LIMITED_API") == "1" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    flags = ["-fvisibility=hidden"]
    link = []
    if os.environ.get("TCPDROP_WERROR") == "1":
        flags += WARNINGS.split()
    if os.environ.get("TCPDROP_SANITIZE") == "1":
        link = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
        flags += [*link, "-g", "-O1"]
    return Extension(
        "tcpdrop._tcpdrop",
        [f"src/{file}" for file in COMMON + sources],
        # The simulator's <stropts.h> stands in for the one that Linux lacks.
        include_dirs=["tests/sim/include"] if name == "sunos-sim" else [],
        depends=[f"src/{file}" for file in sorted(os.listdir("src")) if file.endswith(".h")],
        libraries=libraries,
        extra_compile_args=flags,
        extra_link_args=link,
        define_macros=[("Py_LIMITED_API", "0x03090000")] if limited else [],
        py_limited_api=limited,
    ), limited


def packages():
    """Ours, and every directory of integrations/: setuptools wants each named that Python could import."""
    found = []
    for top, prefix in (("tcpdrop", ""), ("integrations", "tcpdrop.")):
        for place, directories, _ in os.walk(top):
            directories[:] = sorted(set(directories) - {"__pycache__"})
            found.append(prefix + place.replace(os.sep, "."))
    return found


class Build(build_ext):
    """What a build needs and is not there, in a line, before the compiler says it in twenty."""

    def build_extensions(self):
        compiler = self.compiler.compiler_so[0]
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        for there, what in (
            (shutil.which(compiler), f"no C compiler ({compiler}): apt-get install gcc, dnf install gcc, pkg install gcc"),
            (os.path.exists(header), f"no {header}: apt-get install python3-dev, dnf install python3-devel"),
        ):
            if not there:
                raise SystemExit(f"tcpdrop: {what}; or install the wheel, which needs neither")
        super().build_extensions()

    def build_extension(self, ext):
        """Where the headers of SunOS are not those that we know, the module lists and checks, and will not drop."""
        from distutils.errors import CompileError  # setuptools' own

        if "src/sunos.c" in ext.sources:
            try:
                self.compiler.compile(["src/sunos_abi.c"], self.build_temp, include_dirs=ext.include_dirs)
            except CompileError:
                print("tcpdrop: the lines above say what this system has otherwise; dropping is left out", file=sys.stderr)
                ext.define_macros.append(("TD_SUN_ABI_DIFFERS", "1"))
        super().build_extension(ext)


def recipes():
    """contrib's, as documentation; not what packages are made of."""
    found = sorted(path for path in Path("contrib").glob("*/*") if path.parent.name != "solaris")
    places = sorted({path.parent.as_posix() for path in found})
    return [(f"share/doc/tcpdrop/{place}", [path.as_posix() for path in found if path.parent.as_posix() == place]) for place in places]


module, limited = extension()
setup(
    packages=packages(),
    ext_modules=[module],
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if limited else {},
    # Not an entry point: pip would write a script that runs without -I.
    scripts=["bin/tcpdrop"],
    data_files=[
        ("share/man/man8", ["docs/tcpdrop.8"]),
        ("share/bash-completion/completions", ["docs/completion/tcpdrop.bash"]),
        ("share/zsh/site-functions", ["docs/completion/_tcpdrop"]),
        ("share/fish/vendor_completions.d", ["docs/completion/tcpdrop.fish"]),
        ("share/doc/tcpdrop", ["docs/tcpdrop.conf.example"]),
        *recipes(),
    ],
)
