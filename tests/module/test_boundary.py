# SPDX-License-Identifier: BSD-2-Clause
"""The boundary: what _tcpdrop takes, what it refuses, what it leaves behind."""

import errno
import inspect
import os
import shutil
import struct
import subprocess

import pytest
from support import procnet
from support.wildcards import A4, B4, CALLS, GOOD, REFUSED

from tcpdrop import _tcpdrop
from tcpdrop.model import rows as layout
from tcpdrop.model.rows import ALL_STATES, INFO, INFO_FIELDS, ROW, ROW_FIELDS, STATE_NAMES
from tcpdrop.model.states import State

# ---- refused --------------------------------------------------------------------


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize("case", list(REFUSED))
def test_wildcards_and_mixtures_are_refused(call, case):
    tup, why = REFUSED[case]
    with pytest.raises(ValueError, match=why):
        CALLS[call](*tup)


@pytest.mark.parametrize(
    "where",
    [
        {"ifindex": -1},
        {"ifindex": 2**31},
        {"ifindex": 2**63 - 1},
        {"cookie": 2**64 - 1},
        {"scope": -2},
        {"scope": 2**31},
        {"scope": -(2**31)},
    ],
)
def test_values_out_of_range_are_refused(where):
    calls = [_tcpdrop.abort] + ([] if "cookie" in where else [_tcpdrop.lookup])
    for call in calls:
        with pytest.raises(ValueError, match=r"refused|scope"):
            call(*GOOD, **where)


@pytest.mark.parametrize("where", [{"cookie": -1}, {"cookie": 2**64}, {"ifindex": 2**63}, {"scope": 2**64}])
def test_numbers_that_fit_no_c_type_are_refused(where):
    with pytest.raises(OverflowError):
        _tcpdrop.abort(*GOOD, **where)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (GOOD[:3], {}),
        ((*GOOD, 5), {}),
        (("127.0.0.1", 1, B4, 2), {}),
        ((None, 1, B4, 2), {}),
        ((A4, "1", B4, 2), {}),
        ((A4, 1.0, B4, 2), {}),
        ((A4, None, B4, 2), {}),
        (GOOD, {"cookie": "1"}),
        (GOOD, {"cookie": 1.0}),
        (GOOD, {"cookie": None}),
        (GOOD, {"ifindex": b"lo"}),
        (GOOD, {"scope": "1"}),
        (GOOD, {"scope": 1.5}),
        (GOOD, {"nonsense": 1}),
    ],
)
def test_wrong_types(args, kwargs):
    with pytest.raises(TypeError):
        _tcpdrop.abort(*args, **kwargs)
    if "cookie" not in kwargs:
        with pytest.raises(TypeError):
            _tcpdrop.lookup(*args, **kwargs)


@pytest.mark.parametrize(
    "args",
    [
        *((1, b"", 65536), (1, b"", -1), (1, b"", 0, 65536), (1, b"", 0, -1)),
        *((1,), (1 << 12,), (1 << 13,), (0xFFE | 1 << 31,), (0xFFFFFFFF,), (-1,), (2**32 + 2,), (2**64 + 2,)),
    ],
)
def test_list_arguments_out_of_range(args):
    """A bit above the states would ask the kernel for another walk; 2**32 + 2 must not wrap to 2."""
    with pytest.raises((ValueError, OverflowError)):
        _tcpdrop.list_connections(*args)


@pytest.mark.parametrize(
    "kwargs", [{"details": 3}, {"details": -1}, {"details": 2**32}, {"threads": -1}, {"threads": 2**31}, {"scope": -7}]
)
def test_list_options_out_of_range(kwargs):
    with pytest.raises((ValueError, OverflowError)):
        _tcpdrop.list_connections(2, **kwargs)


@pytest.mark.parametrize("args", [(), ("2",), (2.0,), (2, "x"), (2, None), (2, b"", "1"), (2, b"", 0, 0, 1)])
def test_list_wrong_types(args):
    with pytest.raises(TypeError):
        _tcpdrop.list_connections(*args)


NO_DESCRIPTOR_LEFT = """
import errno, os, resource
from support import wildcards
from tcpdrop import _tcpdrop
for fd in range(3, 256):  # fill the table, so that anything opened is EMFILE
    try:
        os.close(fd)
    except OSError:
        pass
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
for name, call in wildcards.CALLS.items():
    for tup, _ in wildcards.REFUSED.values():
        try:
            call(*tup)
        except ValueError:
            continue
        raise SystemExit(f"{name}{tup} was not refused")
    try:
        call(*wildcards.GOOD, **({} if name == "lookup" else {"cookie": 2**64 - 1}))
    except ValueError:
        assert name != "lookup"
    except OSError as e:
        assert name == "lookup" and e.errno == errno.EMFILE, e
try:
    _tcpdrop.abort(*wildcards.GOOD)
except OSError as e:
    print(errno.errorcode[e.errno], e.step)
"""


@pytest.mark.only_on("linux", "sunos", reason="opens something at all")
def test_refusals_come_before_anything_is_opened(run, backend):
    """In a child that cannot open a descriptor: ValueError for a wildcard, EMFILE for a real name."""
    code, step = run(NO_DESCRIPTOR_LEFT).split()
    assert code == "EMFILE"
    if backend.name == "linux":
        assert step == "socket"


# ---- errors ---------------------------------------------------------------------


@pytest.mark.only_on("linux", "sunos", reason="looks at all")
def test_errno_picks_the_class_and_names_the_step():
    for call in (_tcpdrop.lookup, _tcpdrop.abort):
        with pytest.raises(FileNotFoundError) as caught:
            call(*GOOD)
        assert caught.value.errno == errno.ENOENT
        assert caught.value.strerror == os.strerror(errno.ENOENT)
        assert isinstance(caught.value.step, str)
        assert caught.value.step
        assert caught.value.filename is None


@pytest.mark.only_on("linux", reason="descriptors")
def test_steps_name_the_failing_call():
    for call, code, step in (
        (lambda: _tcpdrop.lookup(*GOOD), errno.ENOENT, "look-up"),
        (lambda: _tcpdrop.lookup(*GOOD, scope=-1), errno.EBADF, "setns"),
        (lambda: _tcpdrop.list_connections(2, b"\0"), errno.E2BIG, "bytecode"),
        (lambda: _tcpdrop.list_connections(2, b"\xff\4\0\0"), errno.EINVAL, "dump"),
        (lambda: _tcpdrop.abort_descriptor(-1, *GOOD), errno.EBADF, "fcntl"),
        (lambda: _tcpdrop.interfaces(-1), errno.EBADF, "setns"),
        (lambda: _tcpdrop.ifindices(-1), errno.EBADF, "setns"),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert (caught.value.errno, caught.value.step) == (code, step)


# ---- agreement --------------------------------------------------------------------


def test_rows_have_the_places_that_python_names():
    assert [
        *("laddr", "raddr", "cookie", "inode", "cgroup", "created", "lport", "rport", "family", "state", "timer", "backoff"),
        *("ifindex", "uid", "recvq", "sendq", "pid", "flags", "mark", "zero"),
    ] == ROW_FIELDS
    for place, name in enumerate(ROW_FIELDS):
        assert getattr(layout, name.upper()) == place
    names = {"last_sent": "LAST_SENT", "last_received": "LAST_RECEIVED"}
    for place, name in enumerate(INFO_FIELDS[:8]):
        assert getattr(layout, names.get(name, name.upper())) == place
    for form, fields in ((_tcpdrop.ROW_FORMAT, ROW_FIELDS), (_tcpdrop.INFO_FORMAT, INFO_FIELDS)):
        assert form[0] == "="
        assert len(struct.unpack(form, bytes(struct.calcsize(form)))) == len(fields)
    assert (ROW.size, INFO.size) == (104, 56)


def test_states_have_the_kernels_numbers():
    assert {state.value: state.name for state in State} == procnet.STATES
    assert [state.name for state in State] == list(STATE_NAMES[1:])
    for state in State:
        assert getattr(layout, state.name) == state
    assert sum(1 << state for state in State) == ALL_STATES
    _tcpdrop.list_connections(ALL_STATES)


def test_signatures_and_documentation():
    for name in (
        "list_connections",
        "lookup",
        "lookup_each",
        "converse",
        "end",
        "abort",
        "abort_descriptor",
        "abort_rows",
        "interfaces",
        "ifindices",
        "probe",
        "process",
        "is_absent",
        "classic_lines",
    ):
        function = getattr(_tcpdrop, name)
        assert inspect.signature(function).parameters, name
        assert len(function.__doc__) > 40
    assert str(inspect.signature(_tcpdrop.abort)) == "(laddr, lport, raddr, rport, *, ifindex=0, cookie=0, scope=None)"


def test_one_symbol_is_ours():
    """Everything else stays inside: a name of ours in the program's own table could be taken by another."""
    if not shutil.which("nm"):
        pytest.skip("no nm here")
    out = subprocess.run(["nm", "-D", "--defined-only", _tcpdrop.__file__], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in out.splitlines()} - {"_init", "_fini", "__bss_start", "_edata", "_end"}
    if any("asan" in name or "ubsan" in name for name in names):
        pytest.skip("built with sanitizers")
    assert names == {"PyInit__tcpdrop"}
