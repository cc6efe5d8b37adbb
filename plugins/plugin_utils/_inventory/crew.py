# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run some calls at once in threads that nothing has to wait for when the user gives up."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import types
import typing as t

Result = t.TypeVar("Result")
_Task = tuple["concurrent.futures.Future[t.Any]", t.Callable[[], t.Any]]


class Crew:
    """At most so many threads, made when there is work for them.

    They are daemons: the threads of concurrent.futures' own executor are joined when the interpreter ends, so that after a ctrl-C
    Ansible would stay until the last call has been answered, or has been repeated as often as it may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._given_up = threading.Event()

    def submit(self, work: t.Callable[[], Result]) -> concurrent.futures.Future[Result]:
        """Have work done by the next thread that is free."""
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._tasks.put((future, work))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._labour, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def __enter__(self) -> Crew:
        """Be ready."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        """Let the threads go; after an error, work that has not begun is not begun any more."""
        if error is not None:
            self._given_up.set()
        for _thread in self._threads:
            self._tasks.put(None)

    def _labour(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if self._given_up.is_set():
                future.cancel()
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # whoever waits for the result gets it
                future.set_exception(error)
