# SPDX-License-Identifier: BSD-2-Clause
from .cli import command

command()
