# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are remembered and put back."""

from __future__ import annotations

import pathlib

from ansible_collections.fleet.ssm.plugins.module_utils._machine.snapshot import Snapshot


def test_what_was_changed_made_or_removed_is_as_it_was(tmp_path: pathlib.Path) -> None:
    folder, beside = tmp_path / "etc", tmp_path / "config"
    (folder / "d").mkdir(parents=True)
    changed, removed, left = folder / "changed", folder / "d/removed", folder / "left"
    for path in (changed, removed, left):
        path.write_bytes(path.name.encode())
    changed.chmod(0o640)
    age = left.stat().st_mtime_ns
    snapshot = Snapshot([str(folder)], [str(beside), str(tmp_path / "never")])
    changed.write_bytes(b"\xff")
    changed.chmod(0o600)
    removed.unlink()
    (folder / "d/made").touch()
    beside.touch()
    snapshot.restore()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["changed", "left", "removed"]
    assert (changed.read_bytes(), removed.read_bytes()) == (b"changed", b"removed")
    assert changed.stat().st_mode & 0o777 == 0o640
    assert left.stat().st_mtime_ns == age
