# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run a resource, a listing or an action as an Ansible module; the only file of the engine that knows AnsibleModule."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, _load_params, missing_required_lib
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import Action, UnfinishedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.arguments import HAS_YAML, argument_spec
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.interruption import Interruption
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Outcome, Resource

_NEEDS_NO_LOG = (
    "The result would hold {secret}, which Ansible prints with -v and hands to every log and callback."
    " Set no_log: true on this task{instead}."
)

Kind = t.TypeVar("Kind", Resource, Info, Action)


def run_resource(kind: type[Resource], documentation: str) -> None:
    """Be the main() of a module that keeps a resource."""
    _run(kind, documentation, _ensure)


def run_info(kind: type[Info], documentation: str) -> None:
    """Be the main() of a module that lists."""
    _run(kind, documentation, _list)


def run_action(kind: type[Action], documentation: str) -> None:
    """Be the main() of a module that has AWS do something once."""
    _run(kind, documentation, _act)


def _run(kind: type[Kind], documentation: str, work: t.Callable[[AnsibleModule, Kind], dict[str, t.Any]]) -> None:
    module = AnsibleModule(argument_spec=_spec(kind, documentation), supports_check_mode=True, **kind.rules)
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    try:
        session = open_session(AwsOptions.from_mapping(module.params))
        result = work(module, kind(Api(session.client(kind.service), session.client), module.params))
    except AwsFailure as failure:
        module.fail_json(msg=str(failure), error_code=failure.code)
    except RefusedError as refused:
        module.fail_json(msg=str(refused))
    except UnfinishedError as left:
        module.fail_json(msg=str(left), error_code=left.code, **left.result)
    module.exit_json(**result)


def _spec(kind: type[Kind], documentation: str) -> dict[str, t.Any]:
    if HAS_YAML:
        return argument_spec(documentation, kind.secrets, env_fallback)
    # Take whatever was given, so that the missing library is told and not an option that is right.
    return {name: {"type": "raw", "no_log": True} for name in _load_params() if not name.startswith("_")}


def _ensure(module: AnsibleModule, resource: Resource) -> dict[str, t.Any]:
    if resource.secret_in_result() and not module.no_log:
        raise RefusedError(_NEEDS_NO_LOG.format(secret=resource.secret_in_result(), instead=resource.instead_of_no_log))
    outcome = resource.ensure(module.check_mode)
    result = {"changed": outcome.changed, resource.noun: outcome.after, **outcome.also}
    return {**result, "diff": _diff(resource, outcome)} if module._diff else result


def _list(module: AnsibleModule, info: Info) -> dict[str, t.Any]:
    entries = info.entries()
    return {"changed": False, info.noun: entries, **info.also(entries)}


def _act(module: AnsibleModule, action: Action) -> dict[str, t.Any]:
    with Interruption() as watch:
        ending = action.run(module.check_mode, watch)
    if ending.failure:
        module.fail_json(msg=ending.failure, **ending.result)
    return ending.result


def _diff(resource: Resource, outcome: Outcome) -> dict[str, t.Any]:
    header = f"{resource.noun} {resource.options[resource.title]}"
    return {"before_header": header, "after_header": header, "before": outcome.before, "after": outcome.after}
