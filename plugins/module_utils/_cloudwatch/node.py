# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The CloudWatch agent on this machine, by its own programs: its state, its fragments, and how it gets others. Python 3.6.

Source: packaging/dependencies/amazon-cloudwatch-agent-ctl of aws/amazon-cloudwatch-agent.
"""

import json
import os
import tempfile
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import fragments
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch.words import complaint
from ansible_collections.fleet.ssm.plugins.module_utils._machine import files
from ansible_collections.fleet.ssm.plugins.module_utils._machine.cloudwatch_agent import NAME, UNIT
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said, run

# It may be dead again before it has said a word: its unit counts as active as soon as it is started.
_SETTLE_SECONDS = 3.0
_PERIOD = 0.5


class AgentError(Exception):
    """One of the agent's programs failed; the text says what it said."""


class State(t.NamedTuple):
    """What the agent says of itself, and whether it starts at boot."""

    running: bool
    configured: bool
    version: str
    enabled: bool


class Node:
    """The agent in the folder that its package is made for."""

    def __init__(self, base: str) -> None:
        self.etc = os.path.join(base, "etc")
        self.common_config = os.path.join(self.etc, "common-config.toml")
        self.bin = os.path.join(base, "bin")
        self._folder = os.path.join(self.etc, NAME + ".d")
        self._old_file = os.path.join(self.etc, NAME + ".json")
        self._control = os.path.join(self.bin, NAME + "-ctl")

    def is_installed(self) -> bool:
        """Say whether its package is there."""
        return os.path.exists(self._control)

    def state(self) -> State:
        """Ask it."""
        said = self._ctl("status")
        try:
            status = json.loads(said.output)
            version = str(status["version"])
            running, configured = status["status"] == "running", status["configstatus"] == "configured"
        except (ValueError, KeyError, TypeError) as error:
            raise AgentError("The agent's status is not understood: {0!r}.".format(said.output[:200])) from error
        return State(running, configured, version, run("systemctl", "is-enabled", UNIT).code == 0)

    def texts(self) -> fragments.Texts:
        """Return its fragments by their files' names; the one file that AWS's wizard writes is among them."""
        paths = (
            [os.path.join(self._folder, name) for name in sorted(os.listdir(self._folder))] if os.path.isdir(self._folder) else []
        )
        there = [path for path in [*paths, self._old_file] if os.path.isfile(path) and not path.endswith(".tmp")]
        return {os.path.basename(path): files.read(path) for path in there}

    def configure(self, texts: fragments.Texts, mode: str, start: bool) -> None:
        """Have it take these fragments and no others, and start again with them if ``start``."""
        with tempfile.TemporaryDirectory(prefix="fleet.ssm-cloudwatch-") as folder:
            for number, (file, text) in enumerate(texts.items(), 1):
                path = os.path.join(folder, file)
                files.write(path, text, 0o600)
                # The first replaces all there are, the others are added to it.
                action = "fetch-config" if number == 1 else "append-config"
                self._ctl(action, "-m", mode, "-c", "file:" + path, *(["-s"] if start and number == len(texts) else []))

    def start(self, mode: str) -> None:
        """Start it with the configuration it has."""
        self._ctl("start", "-m", mode)

    def stop(self) -> None:
        """Stop it."""
        self._ctl("stop")

    def put_back(self, before: State) -> None:
        """Have it run or not, as it did; its unit translates the files that are there by itself."""
        run("systemctl", "restart" if before.running else "stop", UNIT)
        run("systemctl", "enable" if before.enabled else "disable", UNIT)

    def enable(self, wanted: bool) -> None:
        """Have it start at boot, or not."""
        said = run("systemctl", "enable" if wanted else "disable", UNIT)
        if said.code:
            raise AgentError("systemctl could not do it: {0}".format(complaint(said.error, said.output)))

    def await_running(self) -> None:
        """Raise AgentError unless it runs, and still runs after a while."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            if not self.state().running:
                log = run("journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=5", "--unit", UNIT).output
                raise AgentError(
                    "The agent was started and does not run. Its last words: {0}. Look into"
                    " /opt/aws/amazon-cloudwatch-agent/logs/amazon-cloudwatch-agent.log.".format(complaint("", log))
                )
            if time.monotonic() >= deadline:
                return
            time.sleep(_PERIOD)

    def _ctl(self, action: str, *arguments: str) -> Said:
        said = run(self._control, "-a", action, *arguments)
        if said.code:
            raise AgentError(
                "amazon-cloudwatch-agent-ctl -a {0} failed (exit code {1}): {2}".format(
                    action, said.code, complaint(said.error, said.output)
                )
            )
        return said
