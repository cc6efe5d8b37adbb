# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values in sections, and every other line as it was."""

from __future__ import annotations

import configparser

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch.sections import INI, TOML, Values, edit
from hypothesis import given
from hypothesis import strategies as st

_THERE = """# A comment
[credentials]
   shared_credential_profile = "mine"  # ours

[imds]
imds_retries = 3
"""


def test_a_value_is_replaced_in_its_line_and_new_ones_follow() -> None:
    text = edit(_THERE, "credentials", {"shared_credential_profile": "other", "shared_credential_file": "/x"}, TOML)
    assert text == _THERE.replace(
        '   shared_credential_profile = "mine"  # ours\n', 'shared_credential_profile = "other"\nshared_credential_file = "/x"\n'
    )


def test_a_line_that_says_the_same_keeps_its_form() -> None:
    assert edit(_THERE, "credentials", {"shared_credential_profile": "mine"}, TOML) == _THERE
    assert edit("[a]\nx = 'y'\n", "a", {"x": "y"}, TOML) == "[a]\nx = 'y'\n"


def test_a_text_without_a_newline_at_its_end_that_says_the_same_is_left() -> None:
    assert edit("[default]\nregion=eu-west-1", "default", {"region": "eu-west-1"}, INI) == "[default]\nregion=eu-west-1"


def test_none_takes_a_line_out_and_leaves_a_comment_that_looks_like_it() -> None:
    text = "[proxy]\n# http_proxy = 1\nhttp_proxy = 'x'\n"
    assert edit(text, "proxy", {"http_proxy": None, "no_proxy": None}, TOML) == "[proxy]\n# http_proxy = 1\n"


def test_a_missing_section_is_added_at_the_end_and_not_for_nothing() -> None:
    assert edit("[a]\nx = 1", "b", {"y": "z"}, INI) == "[a]\nx = 1\n\n[b]\ny = z\n"
    assert edit("", "b", {"y": "z"}, INI) == "[b]\ny = z\n"
    assert edit("[a]\nx = 1", "b", {"y": None}, INI) == "[a]\nx = 1"


def test_the_same_name_in_another_section_is_another_value() -> None:
    assert edit("[a]\nx = 1\n\n[b]\nx = 1\n", "b", {"x": "2"}, INI) == "[a]\nx = 1\n\n[b]\nx = 2\n"


_NAMES = st.sampled_from(["one", "two", "three"])
# What TOML and INI both can hold, as far as proxies, paths and regions go.
_TEXTS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0xD7FF, exclude_characters="%;#=[]\x7f\x85\xa0\u2028\u2029"), min_size=1
)


@given(st.lists(st.tuples(_NAMES, st.dictionaries(_NAMES, st.none() | _TEXTS))))
def test_what_was_set_last_is_what_a_reader_of_toml_finds(edits: list[tuple[str, Values]]) -> None:
    tomllib = pytest.importorskip("tomllib", reason="it is there from Python 3.11 on")
    text = ""
    wanted: dict[tuple[str, str], str | None] = {}
    for section, values in edits:
        text = edit(text, section, values, TOML)
        assert edit(text, section, values, TOML) == text
        wanted |= {(section, name): value for name, value in values.items()}
    read = tomllib.loads(text)
    found = {(section, name): value for section, content in read.items() for name, value in content.items()}
    assert found == {key: value for key, value in wanted.items() if value is not None}


def test_a_profile_is_what_a_reader_of_ini_finds() -> None:
    text = edit("[default]\noutput = json\n[profile x]\nregion = old\n", "profile x", {"region": "eu-west-1"}, INI)
    read = configparser.ConfigParser()
    read.read_string(text)
    assert (read["profile x"]["region"], read["default"]["output"]) == ("eu-west-1", "json")
