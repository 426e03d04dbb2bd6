# SPDX-License-Identifier: BSD-2-Clause
"""Sessions of antsibull-nox, in a copy of the collection (.github/workflows/collection.yml)."""

import antsibull_nox

antsibull_nox.load_antsibull_nox_toml()
