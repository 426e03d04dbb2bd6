# SPDX-License-Identifier: BSD-2-Clause
"""What Salt's entry point group salt.loader calls: where these modules are, for the Python that has tcpdrop."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))


def loader_dirs():
    return {kind: [os.path.join(HERE, "_" + kind)] for kind in ("modules", "states")}
