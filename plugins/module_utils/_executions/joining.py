# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Make traces of what AWS answers about executions. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._executions import trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace, is_failure, moment

Answer = dict[str, t.Any]

_QUICK_SETUP_NAME = "AWS-QuickSetup-"
_COUNT = re.compile(r"(\w+)=(\d+)")


def association(row: Answer) -> Trace:
    """Give an association as DescribeAssociation, ListAssociations or DescribeInstanceAssociationsStatus tells of it."""
    overview = row.get("Overview") or row
    output = row.get("OutputUrl", {}).get("S3OutputUrl", {}).get("OutputUrl", "")
    # Of DescribeAssociation the Status is a structure, and Overview has the words.
    status = overview.get("Status", "")
    code = str(row.get("ErrorCode") or "")
    said = " ".join(text for text in (str(row.get("ExecutionSummary") or ""), f"Error code {code}." if code else "") if text)
    return Trace(
        trace.ASSOCIATION,
        id=str(row.get("AssociationId", "")),
        name=str(row.get("AssociationName") or row.get("Name", "")),
        status=worst(overview.get("DetailedStatus"), status if isinstance(status, str) else ""),
        target=str(row.get("InstanceId", "")),
        started=moment(row.get("ExecutionDate") or row.get("LastExecutionDate")),
        said=said,
        stdout_url=output or _location(row.get("OutputLocation", {}).get("S3Location", {})),
    )


def association_execution(row: Answer) -> Trace:
    """Give an execution of an association; one in which a target failed has failed."""
    counts = str(row.get("ResourceCountByStatus") or "")
    failed = [word for word, count in _COUNT.findall(counts) if int(count) and is_failure(word)]
    status = worst(row.get("DetailedStatus"), row.get("Status"))
    return Trace(
        trace.ASSOCIATION_EXECUTION,
        id=str(row.get("ExecutionId", "")),
        status=status if is_failure(status) or not failed else failed[0],
        started=moment(row.get("CreatedTime")),
        said=counts,
    )


def association_target(row: Answer) -> Trace:
    """Give a target of an execution of an association."""
    return Trace(
        trace.TARGET,
        id=str(row.get("ResourceId", "")),
        status=worst(row.get("DetailedStatus"), row.get("Status")),
        target=str(row.get("ResourceId", "")),
        started=moment(row.get("LastExecutionDate")),
    )


def output_of(row: Answer) -> tuple[str, bool]:
    """Give what a target's output belongs to: the id of a command or an automation execution, and whether it is the latter."""
    source = row.get("OutputSource") or {}
    return str(source.get("OutputSourceId") or ""), "automation" in str(source.get("OutputSourceType") or "").lower()


def command(row: Answer) -> Trace:
    """Give a command of ListCommands, or of one of its invocations."""
    bucket = {name: row.get(name) for name in ("OutputS3BucketName", "OutputS3KeyPrefix")}
    return Trace(
        trace.COMMAND,
        id=str(row["CommandId"]),
        name=str(row.get("DocumentName", "")),
        status=worst(row.get("StatusDetails"), row.get("Status")),
        started=moment(row.get("RequestedDateTime")),
        said=str(row.get("Comment") or ""),
        stdout_url=_location(bucket),
    )


def invocation(row: Answer) -> Trace:
    """Give a command on one node."""
    return Trace(
        trace.INVOCATION,
        id=str(row["CommandId"]),
        name=str(row.get("DocumentName", "")),
        status=worst(row.get("StatusDetails"), row.get("Status")),
        target=str(row.get("InstanceId", "")),
        started=moment(row.get("RequestedDateTime")),
        said=str(row.get("TraceOutput") or ""),
        stdout_url=str(row.get("StandardOutputUrl") or ""),
        stderr_url=str(row.get("StandardErrorUrl") or ""),
    )


def step(plugin: Answer, node: str, output: Answer | None) -> Trace:
    """Give a step of a command on one node; output is what GetCommandInvocation answered, None: it was not asked or did not."""
    told = output or {}
    return Trace(
        trace.STEP,
        id=str(plugin.get("Name", "")),
        name=str(plugin.get("Name", "")),
        status=worst(plugin.get("StatusDetails"), plugin.get("Status")),
        target=node,
        response_code=plugin.get("ResponseCode"),
        started=moment(plugin.get("ResponseStartDateTime")),
        ended=moment(plugin.get("ResponseFinishDateTime")),
        stdout=str(told.get("StandardOutputContent") or "") if output is not None else str(plugin.get("Output") or ""),
        stderr=str(told.get("StandardErrorContent") or ""),
        stdout_url=str(told.get("StandardOutputUrl") or plugin.get("StandardOutputUrl") or ""),
        stderr_url=str(told.get("StandardErrorUrl") or plugin.get("StandardErrorUrl") or ""),
    )


def automation(row: Answer) -> Trace:
    """Give an automation execution, as GetAutomationExecution or DescribeAutomationExecutions tells of it."""
    return Trace(
        trace.AUTOMATION,
        id=str(row["AutomationExecutionId"]),
        name=str(row.get("DocumentName", "")),
        status=str(row.get("AutomationExecutionStatus", "")),
        target=str(row.get("Target") or ""),
        started=moment(row.get("ExecutionStartTime")),
        ended=moment(row.get("ExecutionEndTime")),
        said=str(row.get("FailureMessage") or ""),
    )


def automation_step(row: Answer) -> Trace:
    """Give a step of an automation execution."""
    code = str(row.get("ResponseCode") or "")
    details = row.get("FailureDetails") or {}
    stage = ", ".join(str(details[name]) for name in ("FailureStage", "FailureType") if details.get(name))
    return Trace(
        trace.AUTOMATION_STEP,
        id=str(row.get("StepExecutionId", "")),
        name=f"{row.get('StepName', '')} ({row.get('Action', '')})",
        status=str(row.get("StepStatus", "")),
        response_code=int(code) if re.fullmatch(r"-?\d+", code) else None,
        started=moment(row.get("ExecutionStartTime")),
        ended=moment(row.get("ExecutionEndTime")),
        said=" ".join(text for text in (str(row.get("FailureMessage") or ""), f"[{stage}]" if stage else "") if text),
    )


def started_by(row: Answer) -> tuple[list[str], list[str]]:
    """Give what a step of an automation started: ids of commands, and of automation executions."""
    outputs = row.get("Outputs") or {}
    wanted = {"aws:runCommand": "CommandId", "aws:executeAutomation": "ExecutionId"}.get(str(row.get("Action")), "")
    ids = [one for one in outputs.get(wanted, []) if one]
    return (ids, []) if wanted == "CommandId" else ([], ids)


def concerns(row: Answer, node: str) -> bool:
    """Say whether an automation execution names a node as its target."""
    targets = [value for target in row.get("Targets") or [] for value in target.get("Values", [])]
    resolved = (row.get("ResolvedTargets") or {}).get("ParameterValues", [])
    return node in (row.get("Target"), *targets, *resolved)


def quick_setup(row: Answer) -> Trace:
    """Give a configuration manager of Quick Setup."""
    return _of_summaries(row, trace.QUICK_SETUP, str(row["ManagerArn"]), str(row.get("Name") or row["ManagerArn"]), "")


def configuration(row: Answer) -> Trace:
    """Give what a configuration manager of Quick Setup did in one account and region."""
    place = " ".join(str(row[name]) for name in ("Account", "Region") if row.get(name))
    return _of_summaries(row, trace.CONFIGURATION, str(row.get("Id", "")), str(row.get("Type", "")), place)


def is_of_quick_setup(name: str) -> bool:
    """Say whether an association was made by Quick Setup, by its name."""
    return name.startswith(_QUICK_SETUP_NAME)


def is_made_by(manager: Answer, name: str) -> bool:
    """Say whether an association was made by a configuration manager: its name ends with the id of one of its definitions."""
    ids = [str(one.get("Id") or "") for one in manager.get("ConfigurationDefinitionSummaries", [])]
    return is_of_quick_setup(name) and any(one and name.endswith(f"-{one}") for one in ids)


def _of_summaries(row: Answer, kind: str, identity: str, name: str, place: str) -> Trace:
    summaries = row.get("StatusSummaries") or []
    chosen = next((one for one in summaries if is_failure(one.get("Status"))), summaries[0] if summaries else {})
    details = [f"{key}: {value}." for key, value in sorted((chosen.get("StatusDetails") or {}).items())]
    return Trace(
        kind,
        id=identity,
        name=name,
        status=str(chosen.get("Status") or ""),
        target=place,
        started=moment(chosen.get("LastUpdatedAt")),
        said=" ".join([str(chosen.get("StatusMessage") or ""), *details]).strip(),
    )


def worst(*statuses: t.Any) -> str:
    """Give the first of AWS's words that is one for a failure, or else the first that is there."""
    words = [str(status) for status in statuses if status]
    return next((word for word in words if is_failure(word)), words[0] if words else "")


def _location(bucket: Answer) -> str:
    name, prefix = bucket.get("OutputS3BucketName"), bucket.get("OutputS3KeyPrefix")
    return f"s3://{name}/{prefix or ''}" if name else ""
