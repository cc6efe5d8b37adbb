# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell the user what could not be listed, and why."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.gathering import Missing

_NAMED = 10


def failure(missing: t.Sequence[Missing], parts: int) -> str:
    """Say why the inventory fails."""
    sentences = " ".join(f"{labels}: {sentence}" for labels, sentence, _alike in _by_sentence(missing))
    if parts == 1:
        return sentences
    return f"{len(missing)} of {parts} parts of the inventory cannot be listed (on_error: warn lists the rest). {sentences}"


def warnings(missing: t.Sequence[Missing]) -> list[str]:
    """Say what is missing, or comes from an earlier run."""
    return [f"{labels}: {sentence} {_instead(alike)}" for labels, sentence, alike in _by_sentence(missing)]


def shown(names: t.Iterable[str]) -> str:
    """List names, of very many the first."""
    everything = list(dict.fromkeys(names))
    return ", ".join(everything[:_NAMED]) + (f" and {len(everything) - _NAMED} more" if len(everything) > _NAMED else "")


def _by_sentence(missing: t.Sequence[Missing]) -> t.Iterator[tuple[str, str, list[Missing]]]:
    """Say once what went wrong in the same way in several places."""
    alike: dict[tuple[str, bool], list[Missing]] = {}
    for one in missing:
        alike.setdefault((str(one.failure), one.kept_at is None), []).append(one)
    for (sentence, _is_lost), found in alike.items():
        yield shown(one.part.label for one in found), sentence, found


def _instead(alike: list[Missing]) -> str:
    times = [one.kept_at for one in alike if one.kept_at is not None]
    if not times:
        return "The nodes there are missing from this inventory."
    oldest = datetime.datetime.fromtimestamp(min(times), datetime.timezone.utc).isoformat(timespec="seconds")
    count = sum(len(one.part.records) for one in alike)
    return f"The {count} nodes there are those of an earlier run, of {oldest} at the oldest."
