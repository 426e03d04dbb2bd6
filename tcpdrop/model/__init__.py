# SPDX-License-Identifier: BSD-2-Clause
"""Values, and no system call: addresses, packed rows, connections, tables of them."""
