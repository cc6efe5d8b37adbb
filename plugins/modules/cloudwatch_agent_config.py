# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: cloudwatch_agent_config
short_description: Configure the CloudWatch agent, and have it run
version_added: 0.1.0
description:
  - Has the CloudWatch agent take the given fragments of configuration and no others, lays options over C(common-config.toml), and
    starts or stops the agent.
  - Before anything is changed, the agent's own C(config-translator) reads the fragments in a temporary folder, checks them against
    the agent's JSON schema and translates them. Fragments that it refuses are an error with its words, and all stays as it is.
  - The agent keeps its fragments under names of its own and deletes the file it was given, so the module compares with what the
    agent keeps; a fragment that somebody has changed there is repaired. How a JSON is written does not count.
  - If the agent's own programs fail on the way, the files are put back as they were.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
attributes:
  check_mode:
    details:
      - The fragments are validated as in a real run. Where the agent is yet to be installed there is no translator to do it; the
        module warns of that.
options:
  configs:
    description:
      - The fragments, at least one. The agent merges them; two that say different things of the same option are an error.
      - All others that the agent has go, those of AWS's wizard, of C(amazon-cloudwatch-agent-ctl) and YAML files among them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, of letters, digits, dots, hyphens and underscores.
        type: str
        required: true
      content:
        description: The fragment, as a dictionary or as a text that is JSON.
        type: raw
        required: true
  mode:
    description:
      - V(ec2) on an EC2 instance, V(onPremise) elsewhere. V(auto) asks the metadata service. It is for the translation that
        validates; each time it starts, the agent finds out by itself.
    type: str
    choices: [auto, ec2, onPremise]
    default: auto
  region:
    description:
      - The region to send to, such as V(eu-west-1). It is used with O(credentials=ssm) and O(credentials=profile) only, for an
        instance knows its region. It is written into the profile's section in the file C(config) beside the one with the
        credentials, without which the agent's C(config-downloader) refuses to work, and as C(agent.region) into a fragment of its
        own, unless one of the O(configs) has it.
    type: str
  credentials:
    description:
      - V(ssm) uses the credentials that the SSM agent writes on a hybrid node, the profile V(default) in
        C(/root/.aws/credentials).
      - V(profile) uses O(profile) and O(credentials_file).
      - V(none) takes both out of C(common-config.toml); the agent then uses the role of the instance, and outside EC2 the profile
        V(AmazonCloudWatchAgent).
      - Without this option they stay as they are.
    type: str
    choices: [ssm, profile, none]
  profile:
    description:
      - The profile for O(credentials=profile).
    type: str
    default: default
  credentials_file:
    description:
      - The file with that profile.
    type: path
    default: /root/.aws/credentials
  proxy:
    description:
      - The proxies the agent is to use. V(169.254.169.254) is added to V(no) by itself, for no proxy reaches the metadata of an
        instance.
      - Empty removes them. Without this option they stay as they are.
    type: dict
    suboptions:
      http:
        description: URL of the proxy for C(http://).
        type: str
      https:
        description: URL of the proxy for C(https://).
        type: str
      'no':
        description: Host names, separated by commas, that are reached without a proxy.
        type: str
  ca_bundle:
    description:
      - A file on the node with the certificate authorities that the agent is to trust. Without this option it stays as it is; an
        empty text removes it.
    type: str
  state:
    description:
      - Whether the agent is to run. It is restarted when its configuration has changed.
    type: str
    choices: [started, stopped]
    default: started
  enabled:
    description:
      - Whether it is to start at boot.
    type: bool
    default: true
requirements:
  - Python >= 3.6 on the managed node
  - a managed node that systemd has booted; C(amazon-cloudwatch-agent-ctl) does not work without
seealso:
  - module: fleet.ssm.cloudwatch_agent_package
  - name: The agent's configuration
    description: The user guide of Amazon CloudWatch.
    link: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Agent-Configuration-File-Details.html
"""

EXAMPLES = r"""
- name: Send memory, disks and the system's log
  fleet.ssm.cloudwatch_agent_config:
    configs:
      - name: machine
        content:
          metrics:
            metrics_collected:
              mem:
                measurement: [mem_used_percent]
              disk:
                measurement: [used_percent]
                resources: ["*"]
      - name: logs
        content: "{{ lookup('ansible.builtin.file', 'logs.json') }}"

- name: The same on a hybrid node, with the credentials of its SSM agent
  fleet.ssm.cloudwatch_agent_config:
    region: eu-west-1
    credentials: ssm
    proxy:
      https: http://proxy.example.com:3128
    configs: "{{ fragments }}"
"""

RETURN = r"""
agent:
  description: The agent as it is, or would be. In check mode it is null where it is yet to be installed.
  returned: success
  type: dict
  contains:
    running:
      description: Whether it runs.
      type: bool
    configured:
      description: Whether it has a configuration.
      type: bool
    enabled:
      description: Whether it starts at boot.
      type: bool
    version:
      description: Its version.
      type: str
      sample: 1.300073.2b1889
fragments:
  description: The files in C(amazon-cloudwatch-agent.d) in which the agent keeps the fragments, or would.
  returned: success
  type: list
  elements: str
  sample: [file_machine.json, file_logs.json]
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import fragments, settings, validation
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch.node import AgentError, Node, State
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.options import PROXY
from ansible_collections.fleet.ssm.plugins.module_utils._machine import files, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_BASE = "/opt/aws/amazon-cloudwatch-agent"
_PUBLIC = 0o644
_STARTED = "started"
_NOT_INSTALLED = "The CloudWatch agent is not installed. Install it first, with fleet.ssm.cloudwatch_agent_package for instance."
_NOT_BOOTED = (
    "systemd does not run this machine, and amazon-cloudwatch-agent-ctl does not work without it. Configure the agent when the"
    " machine has booted."
)
_UNCHECKED = "The CloudWatch agent is not installed yet, so that there is no translator that could check the fragments."
# Their values may hold a password, and one that was there before is unknown to Ansible.
_PROXY_LINE = re.compile(r"^(\s*https?_proxy\s*=\s*).*$", re.MULTILINE)

_ARGUMENTS = {
    "configs": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "content": {"type": "raw", "required": True}},
    },
    "mode": {"type": "str", "choices": ["auto", "ec2", "onPremise"], "default": "auto"},
    "region": {"type": "str"},
    "credentials": {"type": "str", "choices": [settings.SSM, settings.PROFILE, settings.NONE], "no_log": False},
    "profile": {"type": "str", "default": settings.DEFAULT_PROFILE},
    "credentials_file": {"type": "path", "default": configuration.SHARED_CREDENTIALS, "no_log": False},
    "proxy": PROXY,
    "ca_bundle": {"type": "str"},
    "state": {"type": "str", "choices": [_STARTED, "stopped"], "default": _STARTED},
    "enabled": {"type": "bool", "default": True},
}  # type: t.Dict[str, t.Any]


class RefusedError(Exception):
    """What was asked for cannot be; the text says what to do."""


class Configuration:
    """The agent's fragments and settings as they are and as they are to be."""

    def __init__(self, params: "t.Mapping[str, t.Any]", node: Node) -> None:
        self.params = params
        self.node = node
        self.texts = _wanted_texts(params)
        # The texts of files by their paths.
        self.settings_before = {}  # type: t.Dict[str, str]
        self.settings_after = {}  # type: t.Dict[str, str]
        self._add(node.common_config, lambda text: settings.common_config(text, params))
        used, region = _profile(params), params["region"]
        self._profile_path = settings.profile_config_path(used) if used and region else ""
        if used and region:
            self._add(self._profile_path, lambda text: settings.profile_config(text, used, region))
        self.there = node.texts()
        self.difference = fragments.compare(self.there, self.texts)

    @property
    def differs(self) -> bool:
        """Say whether there is anything that the agent has to be given."""
        return bool(self.difference.changed or self.difference.surplus or self.settings_before != self.settings_after)

    def validate(self) -> None:
        """Raise InvalidError unless the agent can make something of it."""
        common_config, profile_config = self.settings_after[self.node.common_config], self.settings_after.get(self._profile_path)
        trial = validation.Trial(self.node.bin, common_config, profile_config, self.params["mode"])
        validation.validate(self.texts, trial)

    def apply(self, start: bool) -> None:
        """Give it to the agent."""
        for path, text in self.settings_after.items():
            if text != self.settings_before[path]:
                files.write(path, text, _PUBLIC)
        self.node.configure(self.texts, self.params["mode"], start)

    def diff(self) -> "t.List[t.Dict[str, str]]":
        """Show what changes, without passwords of proxies."""
        wanted = {fragments.installed_name(file): text for file, text in self.texts.items()}
        pairs = [(path, _hidden(self.settings_before[path]), _hidden(text)) for path, text in self.settings_after.items()]
        pairs += [
            (name, self.there.get(name, ""), wanted.get(name, "")) for name in [*self.difference.changed, *self.difference.surplus]
        ]
        return [
            {"before_header": name, "after_header": name, "before": before, "after": after}
            for name, before, after in pairs
            if before != after
        ]

    def _add(self, path: str, edit: "t.Callable[[str], str]") -> None:
        self.settings_before[path] = files.read(path)
        self.settings_after[path] = edit(self.settings_before[path])


class Work:
    """What is to be done, by what there is."""

    def __init__(self, configuration: Configuration, there: "State | None") -> None:
        self.configuration = configuration
        self._there = there
        params = configuration.params
        self._wants_running = params["state"] == _STARTED
        self._enabled = params["enabled"]
        self.configures = there is None or configuration.differs or not there.configured
        self.starts = self._wants_running and (there is None or self.configures or not there.running)
        self.stops = not self._wants_running and there is not None and there.running
        self._enables = there is None or there.enabled != self._enabled

    @property
    def changes(self) -> bool:
        """Say whether anything is to be done."""
        return self.configures or self.starts or self.stops or self._enables

    def do(self) -> State:
        """Do it; whatever fails, the files are as they were before and so is the agent."""
        node = self.configuration.node
        before = Snapshot([node.etc], list(self.configuration.settings_before))
        try:
            self._do(node)
            return node.state()
        except AgentError:
            before.restore()
            if self._there is not None:
                node.put_back(self._there)
            raise

    def foretell(self) -> "t.Dict[str, t.Any] | None":
        """Return how the agent would be."""
        if self._there is None:
            return None
        return dict(self._there._asdict(), running=self._wants_running, configured=True, enabled=self._enabled)

    def _do(self, node: Node) -> None:
        if self.configures:
            self.configuration.apply(self.starts)
        elif self.starts:
            node.start(self.configuration.params["mode"])
        if self.stops:
            node.stop()
        if node.state().enabled != self._enabled:
            node.enable(self._enabled)
        if self.starts:
            node.await_running()


def _wanted_texts(params: "t.Mapping[str, t.Any]") -> fragments.Texts:
    if not params["configs"]:
        raise RefusedError("There is no fragment in configs; the agent needs at least one.")
    texts = fragments.read(params["configs"])
    return fragments.with_region(texts, params["region"]) if _profile(params) and params["region"] else texts


def _profile(params: "t.Mapping[str, t.Any]") -> "settings.Profile | None":
    return settings.profile(params["credentials"], params["profile"], params["credentials_file"])


def _hidden(text: str) -> str:
    return _PROXY_LINE.sub(r"\1(not shown)", text)


def _plan(module: AnsibleModule, node: Node) -> Work:
    if not node.is_installed():
        if not module.check_mode:
            raise RefusedError(_NOT_INSTALLED)
        module.warn(_UNCHECKED)
        return Work(Configuration(module.params, node), None)
    if not system.is_booted():
        raise RefusedError(_NOT_BOOTED)
    work = Work(Configuration(module.params, node), node.state())
    if work.configures:
        work.configuration.validate()
    return work


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        work = _plan(module, Node(_BASE))
        agent = work.foretell() if module.check_mode or not work.changes else dict(work.do()._asdict())
    except _ERRORS as error:
        module.fail_json(msg=str(error))
    configuration = work.configuration
    names = [fragments.installed_name(file) for file in configuration.texts]
    module.exit_json(changed=work.changes, agent=agent, fragments=names, diff=configuration.diff())


_ERRORS = (RefusedError, AgentError, fragments.FragmentError, validation.InvalidError)


if __name__ == "__main__":
    main()
