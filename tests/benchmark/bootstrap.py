# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the way from three bare servers to the first task over a session, and the same again: ``make bench-bootstrap``.

The servers are booted machines whose agent is a stub, or the real one where SSM_AGENT_BIN names its programs.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile

from tests.integration.machines.playbooks import Run
from tests.integration.machines.servers import HOSTS, serve
from tests.integration.running_emulator import RunningEmulator
from tests.machines import agent_packages, bases, prerequisites
from tests.machines.signing import Signer
from tests.machines.site import Site

_ROUNDS = 3
_AGAIN_AT_MOST = 1 / 3


def main() -> int:
    """Measure, print the figures and the bar."""
    reason = prerequisites.missing() or prerequisites.missing_of(prerequisites.PACKAGING_PROGRAMS)
    if reason:
        print(f"not measured: {reason}")
        return 1
    for name in bases.BASES:
        bases.root_of(name)
    firsts, seconds = zip(*(_once() for _round in range(_ROUNDS)), strict=True)
    first, again = statistics.median(firsts), statistics.median(seconds)
    kind = "the real agent" if agent_packages.real_programs() else "a stub of the agent"
    print(f"{len(HOSTS)} bare servers to the first task over a session, {kind}: {first:.1f} s; the same again: {again:.1f} s")
    reached = "reached" if again <= first * _AGAIN_AT_MOST else "missed"
    print(f"again / first: {again / first:.3f}, to be at most {_AGAIN_AT_MOST:.3f}: {reached}")
    return 0


def _once() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-bench-", ignore_cleanup_errors=True) as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        for name in ("emulator", "keys", "servers"):
            (folder / name).mkdir()
        fleet = folder / "none.yml"
        fleet.write_text("nodes: []\n", encoding="utf-8")
        emulator = RunningEmulator(folder / "emulator", fleet)
        try:
            with (
                Site() as site,
                Signer(folder / "keys" / "g") as signer,
                serve(site, signer, emulator, folder / "servers", agent_packages.real_programs()) as servers,
            ):
                run, first = _good(servers.bootstrap())
                again, second = _good(servers.bootstrap())
                assert all(run.changed(host) for host in HOSTS), str(run)
                assert not any(again.changed(host) for host in HOSTS), str(again)
        finally:
            emulator.command("down")
    print(f"first {first:.1f} s, again {second:.1f} s", flush=True)
    return first, second


def _good(ended: tuple[Run, float]) -> tuple[Run, float]:
    assert ended[0].code == 0, str(ended[0])
    return ended


if __name__ == "__main__":
    sys.exit(main())
