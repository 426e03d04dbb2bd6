# SPDX-License-Identifier: BSD-2-Clause
"""Salt's loader in a process of its own, driven by JSON lines (support/minions.py); run by Salt's Python."""

import inspect
import json
import sys
import traceback

import salt.config
import salt.loader
import salt.utils.args
from salt.exceptions import CommandExecutionError


def main():
    opts = salt.config.minion_config(sys.argv[1])
    opts["file_client"] = "local"
    opts["grains"] = salt.loader.grains(opts)
    functions = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
    states = {test: salt.loader.states({**opts, "test": test}, functions, {}, None) for test in (False, True)}

    def documented(loader, one):
        loader[one]  # the module is read; walking over all names would read each module of Salt
        return {name: inspect.getdoc(function) for name, function in loader._dict.items() if name.startswith("tcpdrop.")}

    def typed(words):
        """What follows the target on a command line of Salt's, read as Salt reads it; nothing is dropped."""
        function, *words = words
        args, kwargs = [], {}
        for one in salt.utils.args.parse_input(words):
            kwargs.update(one) if isinstance(one, dict) and one.pop("__kwarg__", False) else args.append(one)
        if function == "state.single":
            return states[kwargs.pop("test")][args[0]](**kwargs)
        return functions[function](*args, **{**kwargs, "test": True} if function == "tcpdrop.drop" else kwargs)

    def survive():
        """From now on the kernel says yes, and the socket lives."""
        from tcpdrop import _tcpdrop

        _tcpdrop.abort = lambda *_, **__: None
        _tcpdrop.abort_rows = lambda table, indices, **_: bytes(len(indices))

    commands = {
        "call": lambda function, args, kwargs: functions[function](*args, **kwargs),
        "state": lambda function, test, kwargs: states[test][function](**kwargs),
        "functions": lambda: documented(functions, "tcpdrop.drop"),
        "states": lambda: documented(states[False], "tcpdrop.absent"),
        "line": typed,
        "survive": survive,
        "file": lambda name: sys.modules[functions[name].__module__].__file__,
    }
    for line in sys.stdin:
        what, *args = json.loads(line)
        try:
            answer = {"value": commands[what](*args)}
            json.dumps(answer)  # plain types and no others
        except CommandExecutionError as error:
            answer = {"refused": error.error, "info": error.info}
        except Exception:
            answer = {"fault": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
