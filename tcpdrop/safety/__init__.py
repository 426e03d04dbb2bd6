# SPDX-License-Identifier: BSD-2-Clause
"""Which connections must live, and who says so:

session   what the caller came by: its ancestors' sockets, SSH_CONNECTION (--include-self lifts it)
logins    all connections of login services, where the caller's own cannot be told (lifted alike)
rules     /etc/tcpdrop.conf, which nobody lifts, and --protect
guard     all of it for a selection, with the kernel's own under --all, and each one's other end on loopback
"""
