# SPDX-License-Identifier: BSD-2-Clause
"""
No TCP connection that matches remains

.. code-block:: yaml

    old-peers:
      tcpdrop.absent:
        - remote_addr: 192.0.2.0/24
        - local_port: 5432
        - max_drops: 50
        - onchanges:
          - iptables: block-old-peers
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "tcpdrop"

DONE = ("dropped", "would_drop")


def __virtual__():
    if "tcpdrop.drop" not in __salt__:
        return False, "the execution module tcpdrop is not loaded"
    return __virtualname__


def absent(name, **kwargs):
    """
    Drop every connection that matches; what is protected stays, and is told

    name
        A label; it selects nothing.

    All other arguments are those of the execution function ``tcpdrop.drop``. A
    second run finds nothing and is unchanged. With ``test=True`` the result is
    None where connections would be dropped, and False where the run would be
    refused.

    CLI Example:

    .. code-block:: bash

        salt 'web*' -b 10% state.single tcpdrop.absent name=old-peers remote_addr=192.0.2.0/24 test=True
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": ""}
    kwargs.setdefault("test", __opts__["test"])
    try:
        found = __salt__["tcpdrop.drop"](**kwargs)
    except CommandExecutionError as error:
        ret["result"] = False
        ret["comment"] = error.error
        found = error.info or {}
    else:
        if found["counts"].get("would_drop"):
            ret["result"] = None
        ret["comment"] = found["comment"]
        if found["truncated"]:
            ret["comment"] += "; the changes name the first {} of them".format(len(found["connections"]))
        if found["warnings"]:
            ret["warnings"] = found["warnings"]
    for one in found.get("connections", []):
        if one["outcome"] in DONE:
            ret["changes"][_line(one)] = {"old": one["state"], "new": one["outcome"]}
    if not ret["changes"] and any(found.get("counts", {}).get(outcome) for outcome in DONE):
        ret["changes"]["connections"] = found["counts"]  # none was to be returned
    return ret


def ruled(name):
    """
    The rules of the host can be followed; changes nothing

    Fails, with each line that is wrong, where ``/etc/tcpdrop.conf`` or a drop-in
    cannot be read or trusted: nothing can be dropped on such a host.

    name
        A label.

    CLI Example:

    .. code-block:: bash

        salt '*' state.single tcpdrop.ruled name=rules
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": "the rules can be followed"}
    try:
        found = __salt__["tcpdrop.check"]()
    except CommandExecutionError as error:
        # Before the first run there is no library to ask; test=True says what it would be.
        ret["result"] = None if __opts__["test"] else False
        ret["comment"] = error.error
        return ret
    if not found["rules"]:
        ret["result"] = False
        ret["comment"] = "; ".join(found["problems"])
    return ret


def mod_watch(name, sfun=None, **kwargs):
    """
    The same, after something that the state watches has changed

    CLI Example:

    .. code-block:: bash

        salt 'web*' state.apply firewall
    """
    return absent(name, **kwargs)


def _line(one):
    ends = ["[{}]:{}" if ":" in one[end + "_addr"] else "{}:{}" for end in ("local", "remote")]
    return "{}->{}".format(*ends).format(one["local_addr"], one["local_port"], one["remote_addr"], one["remote_port"])
