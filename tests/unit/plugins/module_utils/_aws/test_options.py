# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The AWS options."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._aws import options
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions


def test_takes_the_aws_options_and_leaves_the_others() -> None:
    assert AwsOptions.from_mapping({"region": "eu-west-1", "state": "present"}) == AwsOptions(region="eu-west-1")


def test_empty_text_counts_as_not_said() -> None:
    assert AwsOptions.from_mapping({"region": "", "profile": None}) == AwsOptions()


def test_goes_through_a_mapping_unchanged() -> None:
    said = AwsOptions(region="eu-west-1", access_key="a", secret_key="b", session_token="c", external_id="d")
    assert AwsOptions.from_mapping(said.to_mapping()) == said


def test_shows_no_secret() -> None:
    said = AwsOptions(access_key="a", secret_key="hidden", session_token="hidden")
    assert "hidden" not in repr(said)
    assert said.public() == {"access_key": "a"}


def test_every_option_has_an_environment_variable() -> None:
    assert options.environment_variable("assume_role_arn") == "FLEET_SSM_ASSUME_ROLE_ARN"


def test_the_documentation_has_every_option_and_its_sources() -> None:
    import yaml
    from ansible_collections.fleet.ssm.plugins.doc_fragments.aws import ModuleDocFragment

    documented = [yaml.safe_load(text)["options"] for text in (ModuleDocFragment.DOCUMENTATION, ModuleDocFragment.CONNECTION)]
    assert [set(each) for each in documented] == [set(options.NAMES)] * 2
    plugins = yaml.safe_load(ModuleDocFragment.PLUGINS)["options"]
    assert {name: option["env"][0]["name"] for name, option in plugins.items()} == {
        name: options.environment_variable(name) for name in options.NAMES
    }
