# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that says how far a transfer is."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.progress import DOWN, UP, Progress
from hypothesis import given
from hypothesis import strategies as st

_CLEAR = "\r\x1b[K"


def test_a_short_transfer_has_no_line() -> None:
    line = Progress("web-1", UP, "/etc/motd", 100.0, 80)
    assert line.moved(1000, 1000, 101.9) == ""
    assert line.over() == ""


def test_a_long_transfer_has_a_line_every_half_second_which_goes_away() -> None:
    line = Progress("web-1", DOWN, "/var/log/x", 100.0, 80)
    assert line.moved(10_000_000, 50_000_000, 102.5) == f"{_CLEAR}web-1 \u2190 /var/log/x 20 % of 50 MB, 4.0 MB/s"
    assert line.moved(11_000_000, 50_000_000, 102.9) == ""
    assert line.moved(12_500_000, 50_000_000, 103.0) == f"{_CLEAR}web-1 \u2190 /var/log/x 25 % of 50 MB, 4.2 MB/s"
    assert line.over() == _CLEAR


def test_the_rate_is_that_of_the_last_seconds() -> None:
    line = Progress("web-1", DOWN, "/x", 0.0, 80)
    texts = [line.moved(1_000_000 * (second if second < 10 else 9), 50_000_000, float(second)) for second in range(2, 30)]
    assert texts[5].endswith(" 1.0 MB/s")
    assert texts[-1].endswith("18 % of 50 MB, 0.0 MB/s")


def test_where_the_size_is_not_known_the_line_says_how_much_was_moved() -> None:
    assert Progress("web-1", DOWN, "/x", 0.0, 80).moved(3_000_000, None, 3.0) == f"{_CLEAR}web-1 \u2190 /x 3 MB, 1.0 MB/s"


@given(host=st.text(max_size=50), path=st.text(max_size=200), columns=st.integers(1, 200), done=st.integers(0, 10**12))
def test_a_line_never_reaches_the_terminals_last_column(host: str, path: str, columns: int, done: int) -> None:
    text = Progress(host, UP, path, 0.0, columns).moved(done, 10**12, 3.0).removeprefix(_CLEAR)
    assert len(text) < columns
