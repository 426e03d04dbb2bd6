# SPDX-License-Identifier: BSD-2-Clause
"""Ending connections, one or many, and what became of each."""
