# SPDX-License-Identifier: BSD-2-Clause
"""What several tests with real servers are given."""

from support.sshd import login, server

__all__ = ["login", "server"]  # fixtures
