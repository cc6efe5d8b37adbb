# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Notice that a module is to end, by a signal or because nobody reads its output any more. I/O."""

from __future__ import annotations

import contextlib
import select
import signal
import time
import types
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import StoppedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.guard import Guard

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STDOUT = 1
_NOBODY_READS = select.POLLERR | select.POLLHUP


class Interruption:
    """A Watch. While its block runs, signals that ask for an end are StoppedError."""

    def __init__(self) -> None:
        self._held = False
        self._missed = ""
        self._handlers: dict[signal.Signals, t.Any] = {}
        self._guard: Guard | None = None

    def __enter__(self) -> Interruption:
        for number in _SIGNALS:
            # A program that is told to ignore one, by nohup for instance, goes on ignoring it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_error: object) -> None:
        self._dismiss_guard()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def now(self) -> float:
        """Give seconds on a clock that is never set."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass; StoppedError when a signal comes, or when the reader of standard output goes."""
        end = self.now() + seconds
        reader = select.poll()
        reader.register(_STDOUT, 0)
        # Ansible's worker may be killed without a word to its module, which finds its pipe without a reader then.
        if any(events & _NOBODY_READS for _descriptor, events in reader.poll(max(seconds, 0) * 1000)):
            raise StoppedError("Nobody waits for this module any more.")
        time.sleep(max(end - self.now(), 0))

    @contextlib.contextmanager
    def undisturbed(self) -> t.Iterator[None]:
        """Hold signals back until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._missed:
            raise StoppedError(self._missed)

    def on_death(self, act: t.Callable[[], object]) -> None:
        """Have something done when this process is killed, as async does when its time is up; instead of what was to be before."""
        self._dismiss_guard()
        self._guard = Guard(act)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def _on_signal(self, number: int, _frame: types.FrameType | None) -> None:
        sentence = f"The module was told to end ({signal.Signals(number).name})."
        # A second one must not stop the cancelling.
        for other in self._handlers:
            signal.signal(other, signal.SIG_IGN)
        if self._held:
            self._missed = sentence
        else:
            raise StoppedError(sentence)
