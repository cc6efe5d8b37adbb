# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a message counts as lost."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.retransmission import RoundTripEstimate
from hypothesis import given
from hypothesis import strategies as st


def test_nothing_measured_means_a_fifth_of_a_second() -> None:
    assert RoundTripEstimate().timeout() == 0.2


def test_the_first_sample_counts_with_half_of_itself_as_variation() -> None:
    estimate = RoundTripEstimate()
    estimate.add(0.3)
    assert estimate.timeout() == pytest.approx(0.3 + 4 * 0.15)


def test_a_steady_line_is_waited_for_little_longer_than_it_takes() -> None:
    estimate = RoundTripEstimate()
    for _sample in range(100):
        estimate.add(0.8)
    assert estimate.timeout() == pytest.approx(0.81)


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_the_wait_is_never_shorter_than_half_a_second_or_longer_than_two(samples: list[float]) -> None:
    estimate = RoundTripEstimate()
    for sample in samples:
        estimate.add(sample)
    assert 0.5 <= estimate.timeout() <= 2.0
