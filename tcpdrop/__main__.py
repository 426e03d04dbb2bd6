# SPDX-License-Identifier: BSD-2-Clause
import _signal  # type: ignore[import-not-found]

# As bin/tcpdrop has it: a ^C while our files load.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from .cli import command

command()
