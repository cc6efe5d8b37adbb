# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup parameter."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.fleet.ssm.plugins.lookup import parameter

from tests.unit.conftest import FakeAws

KEPT = {f"/plant7/setting-{number}": f"value {number}" for number in range(25)} | {"/plant7/db/host": "db-1"}


@pytest.fixture
def aws(fake_aws: FakeAws) -> FakeAws:
    """An account with parameters, each with a version and a label."""

    def entry(name: str, selector: str = "") -> dict[str, t.Any]:
        return {
            "Name": name,
            "ARN": f"arn:aws:ssm:eu-west-1:1:parameter{name}",
            "Selector": selector,
            "Value": KEPT[name] + selector,
        }

    def get_parameters(params: dict[str, t.Any]) -> dict[str, t.Any]:
        # AWS's own order is none.
        asked = [
            (whole, *whole.removeprefix("arn:aws:ssm:eu-west-1:1:parameter").partition(":")) for whole in sorted(params["Names"])
        ]
        return {
            "Parameters": [entry(name, colon + end) for _whole, name, colon, end in asked if name in KEPT],
            "InvalidParameters": [whole for whole, name, _colon, _end in asked if name not in KEPT],
        }

    def by_path(params: dict[str, t.Any]) -> dict[str, t.Any]:
        below = [name for name in KEPT if name.startswith(params["Path"].rstrip("/") + "/")]
        found = [name for name in below if params["Recursive"] or name.rpartition("/")[0] == params["Path"].rstrip("/")]
        start = int(params.get("NextToken", 0))
        page = {"Parameters": [entry(name) for name in found[start : start + params["MaxResults"]]]}
        return page if start + params["MaxResults"] >= len(found) else {**page, "NextToken": str(start + params["MaxResults"])}

    fake_aws.answers.update(GetParameters=get_parameters, GetParametersByPath=by_path)
    parameter._api.cache_clear()
    return fake_aws


@pytest.fixture
def look(aws: FakeAws) -> t.Callable[..., list[t.Any]]:
    return lambda *terms, **options: list(lookup_loader.get("fleet.ssm.parameter").run(list(terms), {}, **options))


def test_values_are_in_the_order_of_their_names(look: t.Any, aws: FakeAws) -> None:
    assert look("/plant7/setting-7", "/plant7/db/host", "/plant7/setting-7") == ["value 7", "db-1", "value 7"]
    assert aws.calls[-1][1]["WithDecryption"] is True


def test_lists_of_names_are_taken_too(look: t.Any) -> None:
    assert look(["/plant7/db/host"], "/plant7/setting-1") == ["db-1", "value 1"]


def test_names_are_asked_for_ten_at_a_time(look: t.Any, aws: FakeAws) -> None:
    assert look(*KEPT) == list(KEPT.values())
    assert [len(params["Names"]) for _operation, params in aws.calls] == [10, 10, 6]


def test_versions_labels_and_arns(look: t.Any) -> None:
    asked = ["/plant7/db/host:3", "/plant7/db/host:prod", "arn:aws:ssm:eu-west-1:1:parameter/plant7/db/host"]
    assert look(*asked) == ["db-1:3", "db-1:prod", "db-1"]


def test_all_below_a_path(look: t.Any, aws: FakeAws) -> None:
    (right_below,) = look("/plant7", by_path=True)
    assert right_below == {name: value for name, value in KEPT.items() if name != "/plant7/db/host"}
    assert aws.operations() == ["GetParametersByPath"] * 3
    (everything,) = look("/plant7/", by_path=True, recursive=True, names="relative")
    assert everything["db/host"] == "db-1"
    assert len(everything) == len(KEPT)


def test_each_path_has_a_dictionary(look: t.Any) -> None:
    assert look("/plant7/db", "/plant7", by_path=True, names="relative")[0] == {"host": "db-1"}


def test_secrets_stay_encrypted_when_told(look: t.Any, aws: FakeAws) -> None:
    look("/plant7/db/host", decrypt=False)
    assert aws.calls[-1][1]["WithDecryption"] is False


def test_all_that_are_missing_are_named(look: t.Any) -> None:
    with pytest.raises(AnsibleLookupError, match=r"no parameter /b. There is no parameter /a. Check the name, the region"):
        look("/b", "/plant7/db/host", "/a")
    with pytest.raises(AnsibleLookupError, match="no parameter below /a"):
        look("/a", by_path=True)


def test_what_is_missing_is_null_with_a_warning_or_without(look: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(parameter._display, "warning", said.append)
    assert look("/a", "/plant7/db/host", on_missing="skip") == [None, "db-1"]
    assert said == []
    assert look("/a", "/plant7/db/host", on_missing="warn") == [None, "db-1"]
    assert look("/a", by_path=True, on_missing="warn") == [{}]
    assert [sentence.partition(". ")[0] for sentence in said] == ["There is no parameter /a", "There is no parameter below /a"]


def test_a_refusal_is_told_with_the_permission(look: t.Any, aws: FakeAws) -> None:
    aws.deny("GetParameters")
    with pytest.raises(AnsibleLookupError, match="Allow the IAM action ssm:GetParameters"):
        look("/plant7/db/host")


def test_the_region_is_an_option_or_in_the_environment(look: t.Any, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    look("/plant7/db/host", region="us-west-2")
    monkeypatch.setenv("FLEET_SSM_REGION", "eu-north-1")
    look("/plant7/db/host")
    assert [client.meta.region_name for client in aws.clients] == ["us-west-2", "eu-north-1"]


def test_a_session_is_opened_once(look: t.Any, aws: FakeAws) -> None:
    look("/plant7/db/host")
    look("/plant7/setting-1")
    assert len(aws.clients) == 1
