# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules run_command and command_info against nodes of the emulator, and against real agents where there are any."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
import typing as t

import pytest

from tests.integration.running_emulator import CLONE, Ansible, RunningEmulator

Task = dict[str, t.Any]

SHELL = "AWS-RunShellScript"
_SECONDS = itertools.count(600)


@pytest.fixture
def long() -> str:
    """A script that runs for ten minutes and more, and is no other test's."""
    return f"sleep {next(_SECONDS)}"


def _script(*lines: str, **options: t.Any) -> Task:
    return {"fleet.ssm.run_command": {"document": SHELL, "parameters": {"commands": list(lines)}, **options}, "ignore_errors": True}


def _play(folder: t.Any, *tasks: Task) -> str:
    """Write a play that keeps the result of each task; return its path."""
    steps: list[Task] = []
    for number, task in enumerate(tasks):
        kept = {"content": "{{ told | to_json }}", "dest": f"{folder}/{number}.json", "mode": "0600"}
        steps += [{**task, "register": "told"}, {"ansible.builtin.copy": kept, "check_mode": False}]
    path = folder / "play.json"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": steps}]), encoding="utf-8")
    return str(path)


def _told(ansible: Ansible, *tasks: Task) -> list[dict[str, t.Any]]:
    run = ansible.run("ansible-playbook", _play(ansible.folder, *tasks))
    assert run.code == 0, str(run)
    return [json.loads((ansible.folder / f"{number}.json").read_text(encoding="utf-8")) for number in range(len(tasks))]


def _until(emulator: RunningEmulator, line: str, status: str, seconds: float = 30) -> None:
    """Wait until the newest command that runs this line is so."""
    deadline = time.monotonic() + seconds
    while True:
        rows = emulator.client("ssm").list_commands()["Commands"]
        found = next((row["Status"] for row in rows if row["Parameters"].get("commands") == [line]), "")
        if found == status:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def _is_running(emulator: RunningEmulator, machine: str, line: str) -> bool:
    """Say whether a script runs there; the brackets keep the search from finding itself."""
    found = emulator.run_command(machine, f"pgrep -f '[{line[0]}]{line[1:]}' >/dev/null && echo yes || echo no")
    return bool(found["StandardOutputContent"] == "yes\n")


@pytest.mark.long
def test_runs_shows_and_lists_commands(ansible: Ansible, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    web = sorted((nodes["web-1"], nodes["web-2"]))
    targets = [{"key": "tag:role", "values": ["web"]}]
    emulator.order(
        {"lag": {"seconds": 1}, "throttle": [{"operation": name, "times": 1} for name in ("SendCommand", "ListCommands")]}
    )
    good, bad, nobody, checked, listed = _told(
        ansible,
        _script("echo out; echo err >&2", targets=targets),
        _script("echo before", "no-such-program", instance_ids=[nodes["db-1"]]),
        _script("true", targets=[{"key": "tag:role", "values": ["nobody"]}]),
        {**_script("true", targets=targets), "check_mode": True},
        {"fleet.ssm.command_info": {"document": SHELL, "instance_id": nodes["db-1"], "status": "Failed", "invocations": True}},
    )
    assert [(one["instance_id"], one["stdout"], one["stderr"], one["response_code"]) for one in good["invocations"]] == [
        (node, "out\n", "err\n", 0) for node in web
    ]
    assert (good["changed"], good["status"], good["counts"]["completed"]) == (True, "Success", 2)
    assert (bad["failed"], bad["invocations"][0]["response_code"], bad["invocations"][0]["stdout"]) == (True, 127, "before\n")
    assert "no-such-program" in bad["msg"]
    assert "The shell did not find a program" in bad["msg"]
    assert "No managed node matches the targets" in nobody["msg"]
    assert (checked["changed"], checked["command"]["targets"]) == (True, targets)
    assert bad["command_id"] in [one["command_id"] for one in listed["commands"]]
    assert emulator.calls("ssm:SendCommand") == 4


@pytest.mark.long
def test_reads_output_that_aws_keeps_a_part_of(ansible: Ansible, emulator: RunningEmulator) -> None:
    emulator.client("s3").create_bucket(Bucket="whole-outputs")
    node = [emulator.nodes()["web-2"]]
    much = "yes out | head -c 100000; yes err | head -c 50000 >&2"
    kept, from_bucket, from_logs, beginning = _told(
        ansible,
        _script(much, instance_ids=node),
        _script(much, instance_ids=node, output_s3_bucket_name="whole-outputs", output_s3_key_prefix="a/b", full_output=True),
        _script(much, instance_ids=node, cloud_watch_output_config={"cloud_watch_output_enabled": True}, full_output=True),
        _script(much, instance_ids=node, output="none"),
    )
    whole = "out\n" * 25_000, "err\n" * 12_500
    for result in (from_bucket, from_logs):
        (one,) = result["invocations"]
        assert (one["stdout"], one["stderr"], one["output_cut"]) == (*whole, False)
    (one,) = kept["invocations"]
    assert (len(one["stdout"]), len(one["stderr"]), one["output_cut"]) == (24_000, 8_000, True)
    (one,) = beginning["invocations"]
    assert 2000 < len(one["stdout"] + one["stderr"]) < 2500
    assert emulator.calls("ssm:GetCommandInvocation") == 3


def test_a_thousand_nodes_take_few_calls(ansible: Ansible, emulator: RunningEmulator) -> None:
    answers = [{"stdout": f"{code}\n", "code": code, "seconds": 0.5} for code in range(5)]
    order = {"count": 1000, "kind": "hybrid", "name": "thousand", "tags": {"batch": "thousand"}, "answers": answers}
    emulator.add_records({"nodes": [order]})
    try:
        targets = [{"key": "tag:batch", "values": ["thousand"]}]
        (result,) = _told(ansible, _script("x", targets=targets, max_concurrency="100%", max_errors="100%", fail_on="none"))
    finally:
        emulator.add_records({"clear": True})
    assert result["counts"] == {"targets": 1000, "completed": 1000, "errors": 800, "delivery_timed_out": 0}
    ids = [one["instance_id"] for one in result["invocations"]]
    assert ids == sorted(ids)
    assert all(one["stdout"] == f"{one['response_code']}\n" for one in result["invocations"])
    calls = emulator.statistics()["calls"]
    assert calls["ssm:ListCommandInvocations"] == 1000 / 50
    assert calls["ssm:ListCommands"] <= 10
    assert "ssm:GetCommandInvocation" not in calls


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_command_running(
    ansible: Ansible, emulator: RunningEmulator, long: str, number: signal.Signals
) -> None:
    play = _play(ansible.folder, _script(long, instance_ids=[emulator.nodes()["web-2"]]))
    process = ansible.start("ansible-playbook", play)
    _until(emulator, long, "InProgress")
    assert _is_running(emulator, "web-2", long)
    # Ansible before 2.19 has its workers go on when nobody but itself is told to end.
    _cancelled_by(emulator, long, lambda: os.killpg(process.pid, number))
    process.communicate(timeout=30)
    assert not _is_running(emulator, "web-2", long)


def test_a_module_that_is_told_to_end_tells_that_it_cancelled_the_command(
    ansible: Ansible, emulator: RunningEmulator, long: str
) -> None:
    arguments = {"document": SHELL, "parameters": {"commands": long}, "instance_ids": [emulator.nodes()["web-2"]]}
    process = _module(ansible, arguments)
    _until(emulator, long, "InProgress")
    _cancelled_by(emulator, long, process.terminate)
    output, _nothing = process.communicate(timeout=30)
    result = json.loads(output)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == "The module was told to end (SIGTERM). It was cancelled."


@pytest.mark.parametrize("way", ["module", "worker"])
def test_a_command_is_cancelled_when_the_module_or_its_worker_is_killed(
    ansible: Ansible, emulator: RunningEmulator, long: str, way: str
) -> None:
    arguments = {"document": SHELL, "parameters": {"commands": long}, "instance_ids": [emulator.nodes()["web-2"]]}
    process = _module(ansible, arguments)
    _until(emulator, long, "InProgress")
    assert process.stdout is not None
    _cancelled_by(emulator, long, process.kill if way == "module" else process.stdout.close)
    process.wait(timeout=30)


def test_an_async_task_whose_time_is_up_leaves_no_command_running(ansible: Ansible, emulator: RunningEmulator, long: str) -> None:
    script = _script(long, instance_ids=[emulator.nodes()["web-2"]])
    play = _play(ansible.folder, {**script, "async": 8, "poll": 1})
    _cancelled_by(emulator, long, lambda: ansible.run("ansible-playbook", play))


def test_a_command_that_is_not_waited_for_runs_on(ansible: Ansible, emulator: RunningEmulator) -> None:
    (sent,) = _told(ansible, _script("sleep 2; true", instance_ids=[emulator.nodes()["web-2"]], wait=False))
    assert "invocations" not in sent
    _until(emulator, "sleep 2; true", "Success")


def test_real_agents_run_fail_and_are_cancelled(ansible_on_real_agents: Ansible, real_agents: RunningEmulator, long: str) -> None:
    nodes = real_agents.nodes()
    ids = sorted(nodes[name] for name in ("real-1", "real-2"))
    good, bad, much, cut = _told(
        ansible_on_real_agents,
        _script("echo out; echo err >&2", instance_ids=ids),
        _script("echo half", "echo no >&2", "exit 3", instance_ids=ids[:1]),
        _script("yes out | head -c 30000", instance_ids=ids[:1]),
        _script("yes out | head -c 3000", "yes err | head -c 3000 >&2", instance_ids=ids[:1], output="none"),
    )
    assert [(one["instance_id"], one["stdout"], one["stderr"]) for one in good["invocations"]] == [
        (one, "out\n", "err\n") for one in ids
    ]
    (failed,) = bad["invocations"]
    assert (failed["response_code"], failed["stdout"]) == (3, "half\n")
    assert failed["stderr"] == "no\nfailed to run commands: exit status 3"
    assert (len(much["invocations"][0]["stdout"]), much["invocations"][0]["output_cut"]) == (24_000, True)
    assert (cut["invocations"][0]["output_cut"], set(cut["invocations"][0]["stdout"])) == (True, set("out\n"))
    play = _play(ansible_on_real_agents.folder, _script(long, instance_ids=ids))
    process = ansible_on_real_agents.start("ansible-playbook", play)
    _until(real_agents, long, "InProgress")
    time.sleep(2)
    _cancelled_by(real_agents, long, lambda: os.kill(process.pid, signal.SIGINT))
    process.communicate(timeout=30)
    assert not _is_running(real_agents, "real-1", long)


def _cancelled_by(emulator: RunningEmulator, line: str, act: t.Callable[[], object]) -> None:
    act()
    _until(emulator, line, "Cancelled")
    assert emulator.calls("ssm:CancelCommand") == 1


def _module(ansible: Ansible, arguments: dict[str, t.Any]) -> subprocess.Popen[bytes]:
    """Start the module as a program of its own, without Ansible."""
    program = (
        "from tests.unit import conftest; from ansible_collections.fleet.ssm.plugins.modules import run_command; run_command.main()"
    )
    place = ansible.folder / "arguments.json"
    place.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
    return ansible.start("python", "-c", program, str(place), PYTHONPATH=str(CLONE))
