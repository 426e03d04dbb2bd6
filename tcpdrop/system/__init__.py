# SPDX-License-Identifier: BSD-2-Clause
"""What this host tells: the kernel, its traits, rights, namespaces, processes and what they hold."""
