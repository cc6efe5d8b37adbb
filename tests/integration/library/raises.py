# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that raises in different places: what it does not catch, in a thread, at its end."""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import signal
import sys
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule


class OutOfCheeseError(Exception):
    """An error that nobody knows."""


def fail(why: str) -> t.NoReturn:
    """Raise from somewhere."""
    try:
        raise KeyError("cheese")
    except KeyError as cause:
        raise OutOfCheeseError(why) from cause


async def fail_later(why: str) -> None:
    """Raise when a process has ended."""
    await (await asyncio.create_subprocess_exec("true")).wait()
    fail(why)


def recurse() -> None:
    """Call too many."""
    recurse()


def main() -> None:
    """Raise where we are told to."""
    module = AnsibleModule({"where": {"type": "str", "required": True}, "text": {"type": "str", "default": "+++ ?????? +++"}})
    where, text = module.params["where"], module.params["text"]
    print("said before")
    print("said aside", file=sys.stderr)
    if where == "main":
        fail(text)
    if where == "caught":
        try:
            fail(text)
        except OutOfCheeseError as error:
            module.fail_json(msg=f"caught: {error}", extra="kept")
    if where == "thread":
        threading.excepthook = lambda args: sys.stderr.write(f"{args.exc_type.__name__} in a thread\n")
        thread = threading.Thread(target=fail, args=(text,))
        thread.start()
        thread.join()
    if where == "end":
        atexit.register(fail, text)
    if where == "recursion":
        try:
            recurse()
        except RecursionError as error:
            text = str(error)
        # How deep it went is another number in a fork: what it is forked from is beneath it.
        module.fail_json(msg=text)
    if where == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if where == "process":
        # What a process pool says of it, it says by a thread and a socket of its own.
        multiprocessing.get_context("fork").Pool(1).map(fail, [text])
    if where == "loop":
        asyncio.run(fail_later(text))
    if where == "keyboard":
        raise KeyboardInterrupt(text)
    if where == "nothing":
        return
    if where == "exit":
        sys.exit(text)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
