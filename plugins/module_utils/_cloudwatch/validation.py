# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Have the agent's own programs read fragments, in a folder that is gone afterwards. Runs on the node: Python 3.6.

The translator checks them against the agent's JSON schema too (checkSchema in translator/cmdutil of aws/amazon-cloudwatch-agent).
With ``--multi-config default`` it reads only files that end in .tmp, as they are called while amazon-cloudwatch-agent-ctl works.
"""

import os
import tempfile
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import fragments, sections
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch.words import complaint
from ansible_collections.fleet.ssm.plugins.module_utils._machine import files
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run

_DOWNLOADER, _TRANSLATOR, _AGENT = "config-downloader", "config-translator", "amazon-cloudwatch-agent"
_NOT_TAKEN = (
    "The agent's config-downloader refuses to take any fragment: {0}. Outside EC2 it needs a profile with a region: set credentials"
    " and region."
)
_REFUSED = "The fragment {0} is refused by the agent's {1}: {2}"
_CONFLICT = "Each fragment is well by itself, but the agent's {0} refuses them together: {1}"


class InvalidError(Exception):
    """One of the agent's programs refuses; the text has its words."""


class Trial(t.NamedTuple):
    """What fragments are tried with: the agent's programs, the text of common-config.toml, of the profile's file, and the mode.

    ``profile_config`` is None where the files that are there count.
    """

    programs: str
    common_config: str
    profile_config: "str | None"
    mode: str


class Refusal(t.NamedTuple):
    """Which program refused, and its words."""

    program: str
    words: str


def validate(texts: fragments.Texts, trial: Trial) -> None:
    """Raise InvalidError unless these fragments can be a configuration together; it says which of them cannot be one alone."""
    refused = _refusal(texts, trial)
    if refused is None:
        return
    if refused.program == _DOWNLOADER:
        raise InvalidError(_NOT_TAKEN.format(refused.words))
    shared = {file: text for file, text in texts.items() if file == fragments.REGION_FILE}
    for file, text in texts.items():
        alone = _refusal(dict(shared, **{file: text}), trial) if len(texts) > 1 else refused
        if alone is not None:
            raise InvalidError(_REFUSED.format(file, *alone))
    raise InvalidError(_CONFLICT.format(*refused))


def _refusal(texts: fragments.Texts, trial: Trial) -> "Refusal | None":
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-cloudwatch-") as folder:
        for program, arguments in _commands(_written(texts, trial, folder), trial, folder):
            said = run(os.path.join(trial.programs, program), *arguments)
            if said.code:
                return Refusal(program, complaint(said.error, said.output).replace(folder, ""))
    return None


def _written(texts: fragments.Texts, trial: Trial, folder: str) -> str:
    """Write all that the programs read and return the path of one fragment."""
    common_config = trial.common_config
    if trial.profile_config is not None:
        files.write(os.path.join(folder, "config"), trial.profile_config, 0o600)
        beside = {"shared_credential_file": os.path.join(folder, "credentials")}
        common_config = sections.edit(common_config, "credentials", beside, sections.TOML)
    files.write(os.path.join(folder, "common-config.toml"), common_config, 0o600)
    os.mkdir(os.path.join(folder, "downloaded"))
    for file, text in texts.items():
        files.write(os.path.join(folder, "fragments", fragments.installed_name(file) + ".tmp"), text, 0o600)
    return os.path.join(folder, "fragments", fragments.installed_name(next(iter(texts), "")) + ".tmp")


def _commands(one: str, trial: Trial, folder: str) -> "list[tuple[str, list[str]]]":
    made = os.path.join(folder, "amazon-cloudwatch-agent.toml")
    shared = ["--mode", trial.mode, "--config", os.path.join(folder, "common-config.toml"), "--multi-config", "default"]
    download = ["--output-dir", os.path.join(folder, "downloaded"), "--download-source", "file:" + one]
    # There is no such file: it would be the old one, which goes.
    translate = ["--input", os.path.join(folder, "none.json"), "--input-dir", os.path.join(folder, "fragments"), "--output", made]
    return [
        (_DOWNLOADER, [*download, *shared]),
        (_TRANSLATOR, [*translate, *shared]),
        (_AGENT, ["-schematest", "-config", made]),
    ]
