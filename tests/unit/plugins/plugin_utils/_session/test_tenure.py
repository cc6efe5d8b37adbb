# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a broker stays, and for whom."""

from __future__ import annotations

import asyncio
import os
import pathlib
import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import tenure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import kept_name
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.tenure import Tenure


class _Nodes:
    """Nodes that are kept for so long after each run."""

    def __init__(self, *keeping: float) -> None:
        self._keeping = keeping
        self.runs = 1
        self.asked: list[float] = []

    async def let_go(self, seconds: float) -> float | None:
        self.asked.append(seconds)
        return min((kept - seconds for kept in self._keeping if kept > seconds), default=None)

    def begin_run(self) -> None:
        self.runs += 1


class _SlowNodes(_Nodes):
    """Nodes of which one takes long to end."""

    def __init__(self) -> None:
        super().__init__(60.0)
        self.ending = asyncio.Event()
        self.ended = asyncio.Event()

    async def let_go(self, seconds: float) -> float | None:
        self.ending.set()
        await self.ended.wait()
        self.ended.clear()
        return 0.05


class _Office:
    """A broker of a controller, in a folder."""

    def __init__(self, folder: pathlib.Path, *keeping: float) -> None:
        self.folder = folder
        self.nodes = _Nodes(*keeping)
        self.ends = 0
        self.controller = subprocess.Popen(["sleep", "1000"])
        for suffix in (".sock", ".log", ".lock"):
            (folder / f"{self.controller.pid}{suffix}").touch()
        path = folder / f"{self.controller.pid}.sock"
        self.tenure = Tenure(path, self.controller.pid, "abc", self.nodes, self._ended)

    def _ended(self) -> None:
        self.ends += 1

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def end_controller(self) -> None:
        self.controller.kill()
        self.controller.wait()

    async def kept(self) -> None:
        name = f"{kept_name('abc', os.getpid())}.sock"
        while name not in self.files():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("keeping", [(), (0.2,), (0.3, 0.1)], ids=["nothing kept", "one kept", "two kept"])
def test_it_is_over_when_the_last_that_is_to_be_kept_was_kept_long_enough(
    tmp_path: pathlib.Path, keeping: tuple[float, ...]
) -> None:
    async def main() -> float:
        office = _Office(tmp_path, *keeping)
        over = asyncio.ensure_future(office.tenure.over())
        await asyncio.sleep(0.05)
        assert not over.done()
        office.end_controller()
        ended = asyncio.get_running_loop().time()
        await asyncio.wait_for(over, 5)
        assert office.ends == 1
        office.tenure.clean_up()
        return asyncio.get_running_loop().time() - ended

    assert max(keeping, default=0.0) <= asyncio.run(main())
    assert not tmp_path.exists()


def test_another_controller_takes_it_over_under_its_own_name_and_counts_anew(tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        office = _Office(tmp_path, 60.0)
        over = asyncio.ensure_future(office.tenure.over())
        office.end_controller()
        await asyncio.wait_for(office.kept(), 5)
        assert office.files() == [f"{kept_name('abc', os.getpid())}{suffix}" for suffix in (".log", ".sock")]
        with subprocess.Popen(["sleep", "1000"]) as following:
            office.tenure.adopt(following.pid)
            assert office.files() == [f"{following.pid}.log", f"{following.pid}.sock"]
            assert office.nodes.runs == 2
            await asyncio.sleep(0.05)
            following.kill()
        await asyncio.wait_for(office.kept(), 5)
        assert not over.done()
        assert office.ends == 2
        over.cancel()

    asyncio.run(main())


def test_one_that_has_a_controller_takes_no_other(tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        office = _Office(tmp_path, 60.0)
        with pytest.raises(BrokerBroken, match="works for another controller"):
            office.tenure.adopt(1)
        office.end_controller()
        over = asyncio.ensure_future(office.tenure.over())
        await asyncio.wait_for(office.kept(), 5)
        office.tenure.adopt(os.getpid())
        with pytest.raises(BrokerBroken, match="works for another controller"):
            office.tenure.adopt(1)
        over.cancel()

    asyncio.run(main())


def test_a_controller_that_comes_while_other_sessions_are_ended_is_not_taken_for_gone(tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        office = _Office(tmp_path)
        nodes = office.tenure._nodes = _SlowNodes()
        over = asyncio.ensure_future(office.tenure.over())
        office.end_controller()
        nodes.ended.set()
        await asyncio.wait_for(office.kept(), 5)
        nodes.ending.clear()
        await asyncio.wait_for(nodes.ending.wait(), 5)
        office.tenure.adopt(os.getpid())
        nodes.ended.set()
        await asyncio.sleep(0.1)
        assert office.files() == [f"{os.getpid()}.log", f"{os.getpid()}.sock"]
        assert not over.done()
        over.cancel()

    asyncio.run(main())


def test_one_that_leaves_takes_no_controller(tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        office = _Office(tmp_path, 0.1)
        office.end_controller()
        await asyncio.wait_for(office.tenure.over(), 5)
        with pytest.raises(BrokerBroken, match="works for another controller"):
            office.tenure.adopt(os.getpid())

    asyncio.run(main())


def test_the_end_of_a_controller_is_seen_where_no_descriptor_tells_of_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(tenure, "_LOOK_SECONDS", 0.05)

    async def main() -> None:
        office = _Office(tmp_path)
        over = asyncio.ensure_future(office.tenure.over())
        await asyncio.sleep(0.2)
        assert not over.done()
        office.end_controller()
        await asyncio.wait_for(over, 5)

    asyncio.run(main())
