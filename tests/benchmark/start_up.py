# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what each module costs before it does anything: ``make bench-modules``.

Each is imported in an interpreter of its own that has what every module imports of ansible-core already. The time is the least of
some rounds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys

_MODULES = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "modules"
_COLLECTION = "ansible_collections.fleet.ssm.plugins."
_ROUNDS = 3
_IMPORT = """
import importlib, json, sys, time
import ansible.module_utils.basic
before = set(sys.modules)
began = time.perf_counter()
importlib.import_module(sys.argv[1])
seconds = time.perf_counter() - began
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the import of a module took, and brought."""

    module: str
    seconds: float
    imported: tuple[str, ...]

    def below(self, package: str) -> int:
        """Count what it imported of a package."""
        return sum(name == package or name.startswith(package + ".") for name in self.imported)

    @property
    def own(self) -> int:
        """Count what it imported of this collection, itself included."""
        return sum(name.startswith((_COLLECTION + "modules.", _COLLECTION + "module_utils.")) for name in self.imported)


def names() -> list[str]:
    """Return the modules of the collection."""
    return sorted(path.stem for path in _MODULES.glob("*.py"))


def measure(module: str, rounds: int = _ROUNDS) -> Cost:
    """Import a module in interpreters of its own."""
    command = [sys.executable, "-c", _IMPORT, f"{_COLLECTION}modules.{module}"]
    told = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _round in range(rounds)]
    return Cost(module, min(seconds for seconds, _imported in told), tuple(told[0][1]))


def table(costs: list[Cost]) -> list[str]:
    """Return the lines of a table, the dearest first."""
    width = max(len(cost.module) for cost in costs)
    head = f"{'module':{width}}  {'ms':>6}  {'imported':>8}  {'ours':>4}  {'botocore':>8}  {'yaml':>4}"
    rows = sorted(costs, key=lambda cost: cost.seconds, reverse=True)
    return [
        head,
        *(
            f"{cost.module:{width}}  {cost.seconds * 1000:6.1f}  {len(cost.imported):8}  {cost.own:4}"
            f"  {cost.below('botocore'):8}  {cost.below('yaml'):4}"
            for cost in rows
        ),
    ]


def main() -> None:
    """Measure all modules, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.start_up", description=__doc__)
    parser.add_argument("module", nargs="*", default=names(), help="only these")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    given = parser.parse_args()
    print("\n".join(table([measure(module, given.rounds) for module in given.module])))


if __name__ == "__main__":
    main()
