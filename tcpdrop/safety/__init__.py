# SPDX-License-Identifier: BSD-2-Clause
"""Which connections must live: the operator's session, logins, rules."""
