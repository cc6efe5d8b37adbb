# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tasks on managed nodes through Session Manager: options, logging and errors; the work is in plugin_utils/_session."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session
author:
  - The fleet.ssm contributors (@fleet-ssm)
short_description: Run tasks on managed nodes through AWS Systems Manager sessions
version_added: 0.1.0
description:
  - Runs tasks on EC2 instances (C(i-)) and hybrid nodes (C(mi-)) that AWS Systems Manager manages.
  - Needs no SSH, no open port, no S3 bucket and no session-manager-plugin; on the node only the SSM agent, and what modules need, a
    Python.
  - One session per node is opened in a run, by a process that lives beside C(ansible-playbook) and ends with it. Modules are sent
    through it in pieces that the node remembers, so a task usually sends its arguments only.
notes:
  - The AWS identity needs C(ssm:StartSession) on the node and on the document C(AWS-StartInteractiveCommand),
    C(ssm:ResumeSession) and C(ssm:TerminateSession). Where that document is denied, the account's default one is used.
    C(ssm:GetConnectionStatus) is used where it is allowed, to find out soon that a node has gone, and by
    M(ansible.builtin.wait_for_connection), which then starts no session before there is a node.
  - Where the Session Manager preferences, or the session document, name a KMS key, everything that a session carries is encrypted
    with it between this machine and the node. The AWS identity then needs C(kms:GenerateDataKey) on the key, and the node's role
    C(kms:Decrypt).
  - Hybrid nodes need the advanced-instances tier for sessions.
  - The node's side runs as the user that sessions run as, mostly C(ssm-user), who may use C(sudo) without a password.
  - Any become method works, with a password and without.
  - Give M(ansible.builtin.reboot) a O(ansible.builtin.reboot#module:connect_timeout), so that it asks for the boot time over a new
    session each time; a node that is back within 15 seconds may otherwise take two minutes to be noticed.
  - A node without Python runs what needs none, M(ansible.builtin.raw) and M(ansible.builtin.script) for instance. It needs
    a POSIX shell with C(stty), C(dd) and one of C(base64), C(openssl), C(perl) and C(od). One request is carried out at a time,
    the input of a command lies in a file without a name while it runs, what it leaves running in the background is not listened to,
    and become works without a password only. A Python is looked for again before each request; once there is one, installed by a
    task of the same play for instance, everything works, in the same session.
  - B(Windows nodes have only been simulated so far), the connection has not been run on Windows. They are those with
    C(ansible_shell_type=powershell), which P(fleet.ssm.managed_nodes#inventory) sets, and need Windows PowerShell 5.1. The program
    there is compiled with C(Add-Type) when a session begins, as parts of Ansible's own modules for Windows are, and started with
    C(AWS-StartInteractiveCommand) only.
  - On Windows nodes modules are always pipelined, and become is P(ansible.builtin.runas#become), as with other connections.
    O(pythons), O(warm_modules), O(pipelining) and the options for become mean nothing there. Everything goes through a console
    that the agent reads the screen of, so large files take long.
options:
  instance_id:
    description:
      - The managed node's id, C(i-...) or C(mi-...).
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_ssm_instance_id
  pythons:
    description:
      - Interpreters to try on the node for the connection's own program, in this order; Python 3.6 or newer. Where there is none, a
        shell takes its place, as the notes tell.
      - Modules run with C(ansible_python_interpreter), as always.
    type: list
    elements: str
    default: [python3, /usr/bin/python3, /usr/libexec/platform-python, /usr/local/bin/python3]
    vars:
      - name: ansible_ssm_pythons
    env:
      - name: FLEET_SSM_PYTHONS
    ini:
      - section: fleet_ssm
        key: pythons
  messages_endpoint_url:
    description:
      - Where data channels are opened, when not where AWS says, such as a VPC endpoint of C(ssmmessages) without private DNS.
        O(endpoint_url) and C(AWS_ENDPOINT_URL_SSM) are about the API alone.
    type: str
    vars:
      - name: ansible_ssm_messages_endpoint_url
    env:
      - name: FLEET_SSM_MESSAGES_ENDPOINT_URL
    ini:
      - section: fleet_ssm
        key: messages_endpoint_url
  reason:
    description:
      - What the session's reason says in the session history and in CloudTrail.
    type: str
    default: Ansible
    vars:
      - name: ansible_ssm_reason
    env:
      - name: FLEET_SSM_REASON
    ini:
      - section: fleet_ssm
        key: reason
  document_name:
    description:
      - Session document to start sessions with, in place of C(AWS-StartInteractiveCommand) and, where that is denied, the account's
        default one. It has the session type C(InteractiveCommands) or C(Standard_Stream).
      - With one of your own, an IAM policy can allow Ansible's sessions and no others, sessions can run as C(root) from the start
        (C(runAsElevated)), or have a KMS key, a RunAs user and logging of their own. The README has one to begin with.
    type: str
    vars:
      - name: ansible_ssm_document_name
    env:
      - name: FLEET_SSM_DOCUMENT_NAME
    ini:
      - section: fleet_ssm
        key: document_name
  document_parameters:
    description:
      - Parameters of O(document_name), as a mapping; in the environment and in C(ansible.cfg) as JSON.
      - The text C({command}) in a value becomes the command that makes the session ours. The document must run that value, and
        nothing else, as its C(commands), and its C(allowedPattern) must let it pass.
      - Where no value has C({command}), the document is taken for one that gives a shell (C(Standard_Stream)), and the command is
        typed there.
      - When this is not set, the document is tried with the parameter C(command), and where it has none with no parameters at all,
        as one that gives a shell. V({}) says so at once and saves a call for each session.
    type: raw
    vars:
      - name: ansible_ssm_document_parameters
    env:
      - name: FLEET_SSM_DOCUMENT_PARAMETERS
    ini:
      - section: fleet_ssm
        key: document_parameters
  logging_warning:
    description:
      - Warn, once a run, when the Session Manager preferences or O(document_name) send what sessions print to S3 or CloudWatch
        Logs.
      - It takes one call of C(ssm:GetDocument) a run; where that is not allowed, C(-v) says so.
    type: bool
    default: true
    vars:
      - name: ansible_ssm_logging_warning
    env:
      - name: FLEET_SSM_LOGGING_WARNING
    ini:
      - section: fleet_ssm
        key: logging_warning
  remote_user:
    description:
      - Whom you expect sessions to run as. Session Manager decides that, and nothing said here changes it; who it is stands in
        the preferences (C(runAsEnabled), C(runAsDefaultUser)), in O(document_name), or in the tag C(SSMSessionRunAs) of the IAM
        identity.
      - When sessions run as somebody else, a warning says so.
    type: str
    vars:
      - name: ansible_user
      - name: ansible_ssh_user
    env:
      - name: ANSIBLE_REMOTE_USER
    ini:
      - section: defaults
        key: remote_user
    cli:
      - name: user
        option: --user
    keyword:
      - name: remote_user
  connection_timeout:
    description:
      - Seconds from the start of a session until the node must have answered.
      - Throttling by AWS is waited out and does not count. A command has no time limit; use the task keyword C(timeout) for one.
    type: float
    default: 60
    vars:
      - name: ansible_ssm_connection_timeout
    env:
      - name: FLEET_SSM_CONNECTION_TIMEOUT
    ini:
      - section: fleet_ssm
        key: connection_timeout
  reconnect_timeout:
    description:
      - Seconds that a cut of the network may last before the session counts as lost. After a shorter one the task goes on.
      - The time in which AWS throttles ResumeSession does not count.
    type: float
    default: 60
    vars:
      - name: ansible_ssm_reconnect_timeout
    env:
      - name: FLEET_SSM_RECONNECT_TIMEOUT
    ini:
      - section: fleet_ssm
        key: reconnect_timeout
  persist:
    description:
      - Seconds for which the session is kept open when C(ansible-playbook) has ended, for the next run to go on with. By default
        every session is terminated when the run ends, however it ends.
      - A run finds it when it is started by the same user on the same machine, with the same AWS variables, proxies, C(HOME) and
        C(PATH) in its environment, by the same Python, and with AWS's configuration files and this collection unchanged since.
      - What C(ControlPersist) is to ssh. Ad-hoc commands gain most, as they do not wait for a session. It is of no use in AWX,
        where each job has a container of its own.
      - The process that keeps the session also keeps the credentials of the run that began it, and on the node an interpreter for
        each user that modules became without a password (see O(warm_modules)). A right that is withdrawn on the node in the
        meantime is noticed by the next session only. The task C(meta) with C(reset_connection) ends the session.
    type: float
    default: 0
    vars:
      - name: ansible_ssm_persist
    env:
      - name: FLEET_SSM_PERSIST
    ini:
      - section: fleet_ssm
        key: persist
  stall_timeout:
    description:
      - Seconds for which a node's agent may acknowledge nothing, while the line to AWS is open, before the session counts as lost.
      - It is asked at least twice in that time, so that a node that was switched off or froze is found out however silent a task
        is. A command that takes long is no reason to change it.
    type: float
    default: 120
    vars:
      - name: ansible_ssm_stall_timeout
    env:
      - name: FLEET_SSM_STALL_TIMEOUT
    ini:
      - section: fleet_ssm
        key: stall_timeout
  download_sessions:
    description:
      - Get what a node has much of, such as a file that comes to more than a megabyte when it is compressed, by a second session of
        the document C(AWS-StartNonInteractiveCommand), whose output an agent passes on about ten times faster than a terminal's.
      - It is started when it is needed, on which the identity needs C(ssm:StartSession) too, and ends when it was not needed for
        20 seconds. Where it cannot be had, the way that everything else takes is used, and C(-v) says why.
      - With O(document_name) there is none, as its key, its user and its log would not hold for a session of another document.
    type: bool
    default: true
    vars:
      - name: ansible_ssm_download_sessions
    env:
      - name: FLEET_SSM_DOWNLOAD_SESSIONS
    ini:
      - section: fleet_ssm
        key: download_sessions
  s3_bucket:
    description:
      - A bucket by way of which large files go, both ways. Without it, which is the default, all go through the session.
      - Files are uploaded and downloaded with the identity in use, which needs C(s3:PutObject), C(s3:GetObject) and
        C(s3:DeleteObject) on them. The node needs no rights; it is given a presigned URL that is good for five minutes, and must
        reach S3. Each object is deleted when its file has arrived, and when it has not.
      - What fails does not go through the session instead.
    type: str
    vars:
      - name: ansible_ssm_s3_bucket
    env:
      - name: FLEET_SSM_S3_BUCKET
    ini:
      - section: fleet_ssm
        key: s3_bucket
  s3_threshold:
    description:
      - Megabytes of the smallest file that goes by way of O(s3_bucket), at least 1.
    type: float
    default: 100
    vars:
      - name: ansible_ssm_s3_threshold
    env:
      - name: FLEET_SSM_S3_THRESHOLD
    ini:
      - section: fleet_ssm
        key: s3_threshold
  s3_prefix:
    description:
      - What the keys of the objects in O(s3_bucket) begin with. The node's id and a random name follow.
    type: str
    default: fleet.ssm
    vars:
      - name: ansible_ssm_s3_prefix
    env:
      - name: FLEET_SSM_S3_PREFIX
    ini:
      - section: fleet_ssm
        key: s3_prefix
  s3_sse:
    description:
      - How S3 encrypts the objects, where it is not to be as the bucket says.
    type: str
    choices: [AES256, 'aws:kms']
    vars:
      - name: ansible_ssm_s3_sse
    env:
      - name: FLEET_SSM_S3_SSE
    ini:
      - section: fleet_ssm
        key: s3_sse
  s3_kms_key_id:
    description:
      - The KMS key of O(s3_sse=aws:kms), where it is not to be S3's own.
    type: str
    vars:
      - name: ansible_ssm_s3_kms_key_id
    env:
      - name: FLEET_SSM_S3_KMS_KEY_ID
    ini:
      - section: fleet_ssm
        key: s3_kms_key_id
  transfer_progress:
    description:
      - Show how far a transfer is that takes more than two seconds, in a line of the terminal that goes away at its end.
      - There is none when the output is no terminal, with C(-v), in AWX and other runs of ansible-runner, and in plays on more than
        one host at a time, whose other results would be written over it.
    type: bool
    default: true
    vars:
      - name: ansible_ssm_transfer_progress
    env:
      - name: FLEET_SSM_TRANSFER_PROGRESS
    ini:
      - section: fleet_ssm
        key: transfer_progress
  play_batch:
    description:
      - The hosts that the play is on at this time. Ansible knows them; this is not to be set.
    type: list
    elements: str
    default: []
    vars:
      - name: ansible_play_batch
  warm_modules:
    description:
      - Run modules in forks of an interpreter on the node that has imported what all modules import, so that a small module starts
        several times faster. Its output, exit code, environment, user and files are those of a fresh interpreter.
      - An interpreter is kept for each become user, C(environment) and Python in use, for five minutes at most, and never beyond
        the session. It is given up when the node's users, groups, sudo rules, libraries or Python packages change.
      - V(always) does so with become too, whose command is then run once for an interpreter and not once for each task, which is
        what the log of C(sudo) shows. V(without_become) does so for tasks that become nobody, V(never) for none.
      - Whatever is not exactly a module of ansible-core's usual form, such as M(ansible.builtin.raw), modules that are not Python,
        and O(pipelining=false), is run by a fresh interpreter anyway.
    type: str
    choices: [always, without_become, never]
    default: always
    vars:
      - name: ansible_ssm_warm_modules
    env:
      - name: FLEET_SSM_WARM_MODULES
    ini:
      - section: fleet_ssm
        key: warm_modules
  become_success_timeout:
    description:
      - Seconds that a become method with a password may take, from its command's start to its success.
    type: float
    default: 10
    vars:
      - name: ansible_ssm_become_success_timeout
    env:
      - name: FLEET_SSM_BECOME_SUCCESS_TIMEOUT
    ini:
      - section: fleet_ssm
        key: become_success_timeout
  become_tty:
    description:
      - Give become commands a terminal, for sudo rules with C(requiretty). Modules are then sent as files.
      - Become methods that always want a terminal, such as P(ansible.builtin.su#become), have one anyway.
    type: bool
    default: false
    vars:
      - name: ansible_ssm_become_tty
    env:
      - name: FLEET_SSM_BECOME_TTY
    ini:
      - section: fleet_ssm
        key: become_tty
  pipelining:
    description:
      - Send modules over standard input instead of as files. There is no reason to turn it off but to keep the files for debugging.
    type: bool
    default: true
    vars:
      - name: ansible_pipelining
      - name: ansible_ssm_pipelining
    env:
      - name: ANSIBLE_PIPELINING
      - name: FLEET_SSM_PIPELINING
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
      - section: fleet_ssm
        key: pipelining
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.aws.connection
"""

EXAMPLES = r"""
# hosts.ini - node ids are enough; account and region come from where botocore looks (AWS_PROFILE, AWS_REGION, ...):
#
#   [web]
#   i-0123456789abcdef0
#   mi-0123456789abcdef0
#
#   [web:vars]
#   ansible_connection=fleet.ssm.session
#
# ansible web -i hosts.ini -m ansible.builtin.ping

- name: Reach one machine through a role of another account
  hosts: billing
  vars:
    ansible_connection: fleet.ssm.session
    ansible_host: i-0123456789abcdef0
    ansible_ssm_region: eu-west-1
    ansible_ssm_assume_role_arn: arn:aws:iam::123456789012:role/ansible
  tasks:
    - name: Say who we are there
      ansible.builtin.command: id
      changed_when: false
"""

import contextlib
import dataclasses
import json
import os
import time
import typing as t

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures, settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import end_with_controller
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.client import Answer, BrokerClient, Moved
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags

display = Display()

_ERRORS: tuple[tuple[type[failures.SessionFailure], type[AnsibleError]], ...] = (
    (failures.AccessRefused, AnsibleAuthenticationFailure),
    (failures.NodeUnreachable, AnsibleConnectionFailure),
    (failures.FileMissing, AnsibleFileNotFound),
    (failures.SessionFailure, AnsibleError),
)

#: whether a module may be run by a warm interpreter, with become or without
_WARM: dict[str, t.Callable[[bool], Flags]] = {
    "always": lambda _become: Flags.WARM,
    "without_become": lambda become: Flags.NONE if become else Flags.WARM,
    "never": lambda _become: Flags.NONE,
}

#: what a shell says of an interpreter that is not there
_NOT_FOUND = 127

_Result = t.TypeVar("_Result")


def _show(text: str) -> None:
    """Have the controller write something to its terminal as it is."""
    if text:
        display.display(text, newline=False, screen_only=True)


class Connection(ConnectionBase):
    """A node's session, as Ansible sees it."""

    transport = "fleet.ssm.session"
    has_tty = True
    allow_executable = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Find out who the controller is; the session itself is opened by the first request."""
        super().__init__(*args, **kwargs)
        # meta: reset_connection runs in the controller itself, without this.
        self._controller = int(kwargs.get("ansible_playbook_pid") or os.getpid())
        self._client = BrokerClient(self._controller, str(kwargs.get("task_uuid") or ""), self._on_session, self._on_remark)
        if self._is_windows:
            self.always_pipeline_modules = True
            self.has_native_async = True
            # There is no other shell to give commands to.
            self.allow_executable = False

    @property
    def _is_windows(self) -> bool:
        return bool(getattr(self._shell, "_IS_WINDOWS", False))

    @property
    def module_implementation_preferences(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which modules are for the node's system.

        Ansible asks when it is about to build one, which takes about as long as a session takes to be started: that begins here.
        """
        if not self._connected:
            # Options that make no sense are told of by the request itself.
            with contextlib.suppress(AnsibleError):
                self._connect()
                self._client.announce(self._node())
        return (".ps1", ".exe", "") if self._is_windows else ("",)

    def _connect(self) -> Connection:
        if not self._connected:
            display.vvv(f"ESTABLISH SSM CONNECTION TO: {self._target}", host=self._name)
            end_with_controller(self._controller)
            self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command; return its exit code, stdout and stderr, exactly."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)  # type: ignore[safe-super]
        # A task's environment and the text of raw are part of the command.
        display.vvv(f"SSM: EXEC {'(not shown, no_log)' if self._play_context.no_log else to_native(cmd)}", host=self._name)
        stdin = to_bytes(in_data) if in_data else b""
        if self._is_windows:
            from ansible_collections.fleet.ssm.plugins.plugin_utils._session import clixml, windows_command

            # Becoming somebody is part of what Ansible's wrapper does there.
            code, out, err = self._execute(windows_command.command_line(to_native(cmd)), stdin, Flags.NONE)
            return code, out, clixml.plain(err)
        become = self.become
        # Ansible leaves become out where the user is that one already.
        if become is None or not sudoable or not become.success or become.success not in to_native(cmd):
            return self._execute(to_native(cmd), stdin, _WARM[str(self.get_option("warm_modules"))](False))
        return self._execute_as_another(become, to_native(cmd), stdin)

    def _execute(self, command: str, stdin: bytes, flags: Flags) -> Answer:
        answer = self._translated(lambda: self._client.execute(self._node(), command, stdin, flags=flags))
        if answer[0] == _NOT_FOUND and "python" in command and self._client.lacks_python:
            display.warning(self._settings().python_advice)
        return answer

    def _execute_as_another(self, become: t.Any, command: str, stdin: bytes) -> Answer:
        """Run a become command: with a terminal where that must be, and answer when it asks for the password."""
        # Ansible compiles what it imports in each worker; most tasks become nobody.
        from ansible_collections.fleet.ssm.plugins.plugin_utils._session.escalation import Escalation, without_preamble

        flags = Flags.TERMINAL if self._wants_terminal else _WARM[str(self.get_option("warm_modules"))](True)
        # What has a terminal may ask there although no password was given, and would wait for it for ever.
        if become.expect_prompt() or flags & Flags.TERMINAL:
            escalation = Escalation(become, to_bytes(become.get_option("become_pass")) if become.expect_prompt() else None)
            seconds = float(self.get_option("become_success_timeout"))
            code, out, err = self._translated(
                lambda: self._client.escalate(self._node(), command, stdin, escalation, seconds=seconds, flags=flags)
            )
        else:
            code, out, err = self._execute(command, stdin, flags)
            if code != 0 and not become.check_success(out) and (become.check_missing_password(err + out)):
                raise AnsibleError(f"Missing {become.name} password")
        prompt = become.prompt if isinstance(become.prompt, str) and become.expect_prompt() else ""
        return code, without_preamble(out, prompt, become.success), without_preamble(err, prompt)

    @property
    def _wants_terminal(self) -> bool:
        become = self.become
        if become is None or self._is_windows:
            return False
        # ansible-core has su neither pipelined nor marked as wanting a terminal, and before 2.19 goes by its name.
        wants = become.require_tty or not getattr(become, "pipelining", True) or str(become.name).rpartition(".")[2] == "su"
        return bool(wants or self.get_option("become_tty"))

    @property
    def has_pipelining(self) -> bool:  # type: ignore[override]
        """Whether modules may come on standard input, which a terminal would change."""
        return not self._wants_terminal

    def put_file(self, in_path: str, out_path: str) -> None:
        """Send a file; it appears whole or not at all."""
        super().put_file(in_path, out_path)  # type: ignore[safe-super]
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._name)
        with self._progress("UP", in_path) as moved:
            self._translated(
                lambda: self._client.put(
                    self._node(), to_native(in_path), self._remote_path(out_path), moved, bucket=self._bucket()
                )
            )

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Fetch a file; it appears whole or not at all."""
        super().fetch_file(in_path, out_path)  # type: ignore[safe-super]
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._name)
        with self._progress("DOWN", in_path) as moved:
            self._translated(
                lambda: self._client.get(
                    self._node(), self._remote_path(in_path), to_native(out_path), moved, bucket=self._bucket()
                )
            )

    @contextlib.contextmanager
    def _progress(self, direction: str, path: str) -> t.Iterator[Moved]:
        """Have a line of the terminal say how far a transfer is, where somebody would see it and nothing else is written."""
        alone = len(self.get_option("play_batch")) == 1
        if not self.get_option("transfer_progress") or not alone or display.verbosity:
            yield lambda _done, _size: None
            return
        # Most tasks move nothing, and Ansible compiles what it imports in each worker.
        from ansible_collections.fleet.ssm.plugins.plugin_utils._session import controller_terminal, progress

        columns = controller_terminal.columns(self._controller)
        if columns is None:
            yield lambda _done, _size: None
            return
        arrow = getattr(progress, direction)
        line = progress.Progress(self._name, arrow, to_native(path), time.monotonic(), columns)
        try:
            yield lambda done, size: _show(line.moved(done, size, time.monotonic()))
        finally:
            _show(line.over())

    def transport_test(self, connect_timeout: float) -> None:
        """Fail while the node's agent is not connected, for wait_for_connection; no session is started for that."""
        display.vvv("SSM: IS THE NODE CONNECTED", host=self._name)
        self._translated(lambda: self._client.check_connected(self._node(), float(connect_timeout)))

    def reset(self) -> None:
        """End the session; the next task opens another."""
        try:
            self._translated(lambda: self._client.reset(self._node()))
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            # reboot and wait_for_connection expect no other.
            raise AnsibleConnectionFailure(str(error)) from error
        self.close()

    def close(self) -> None:
        """Let go of the broker; it keeps the session for the next task."""
        self._client.close()
        self._connected = False

    @property
    def _target(self) -> str:
        return str(self.get_option("instance_id"))

    def _remote_path(self, path: str) -> str:
        if not self._is_windows:
            return str(to_native(path))
        from ansible_collections.fleet.ssm.plugins.plugin_utils._session import windows_command

        return str(windows_command.unquoted(to_native(path)))

    @property
    def _name(self) -> str:
        return str(self._play_context.remote_addr or self._target)

    def _on_session(self, news: dict[str, t.Any]) -> None:
        """Tell of a session that has begun, to who wants to know much."""
        display.vvv(
            f"SSM: SESSION {news['session']} document {news['document']}, region {news['region']}, access key {news['access_key']},"
            f" node user {news['user']}, node Python {news['python']}",
            host=self._name,
        )
        phases = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in news["seconds"].items())
        display.vvvv(f"SSM: SESSION {news['session']} after {phases}", host=self._name)
        wanted = str(self.get_option("remote_user") or "")
        if wanted and wanted != news["user"]:
            # With no name of a node in it, so that Ansible says it once.
            display.warning(
                f"Sessions run as {news['user']} and not as {wanted}, which ansible_user (remote_user, --user) asks for: Session"
                f" Manager decides who they run as. Become {wanted} (become_user), have sessions run as {wanted} by RunAs"
                " (runAsDefaultUser in the Session Manager preferences or in a document of your own), or leave ansible_user out."
            )

    def _on_remark(self, remark: dict[str, t.Any]) -> None:
        if remark["warns"]:
            display.warning(str(remark["text"]))
        else:
            display.v(str(remark["text"]), host=self._name)

    def _node(self) -> dict[str, t.Any]:
        """Describe the node to the broker; options are plain values there, whatever Ansible makes of them."""
        aws = {name: self.get_option(name) for name in aws_options.NAMES}
        return settings.describe(aws_options.AwsOptions.from_mapping(aws), self._settings())

    def _bucket(self) -> dict[str, t.Any] | None:
        """Describe the bucket by way of which large files go, if there is one."""
        name = self.get_option("s3_bucket")
        if not name:
            return None
        threshold = float(self.get_option("s3_threshold"))
        if threshold < 1:
            raise AnsibleError(f"s3_threshold is in megabytes and at least 1, not {threshold:g}")
        return dataclasses.asdict(
            settings.BucketSettings(
                name=str(name),
                prefix=str(self.get_option("s3_prefix")),
                threshold=int(threshold * 1_000_000),
                sse=str(self.get_option("s3_sse") or ""),
                kms_key_id=str(self.get_option("s3_kms_key_id") or ""),
            )
        )

    def _settings(self) -> settings.NodeSettings:
        return settings.NodeSettings(
            target=self._target,
            reason=str(self.get_option("reason")),
            pythons=tuple(str(python) for python in self.get_option("pythons")),
            messages_endpoint_url=str(self.get_option("messages_endpoint_url") or ""),
            connection_timeout=float(self.get_option("connection_timeout")),
            reconnect_timeout=float(self.get_option("reconnect_timeout")),
            stall_timeout=float(self.get_option("stall_timeout")),
            persist=float(self.get_option("persist")),
            document_name=str(self.get_option("document_name") or ""),
            document_parameters=self._document_parameters(),
            logging_warning=bool(self.get_option("logging_warning")),
            windows=self._is_windows,
            download_sessions=bool(self.get_option("download_sessions")),
        )

    def _document_parameters(self) -> settings.DocumentParameters | None:
        given = self.get_option("document_parameters")
        try:
            return settings.read_parameters(json.loads(given) if isinstance(given, str) else given)
        except ValueError as error:
            raise AnsibleError(
                f"document_parameters (ansible_ssm_document_parameters) is to be a mapping of parameters to texts: {error}"
            ) from error

    def _translated(self, work: t.Callable[[], _Result]) -> _Result:
        """Do something and make Ansible's errors of ours: the only place where that happens."""
        try:
            return work()
        except failures.SessionFailure as failure:
            kind = next(ansible for ours, ansible in _ERRORS if isinstance(failure, ours))
            text = str(failure)
            raise kind(text if self._target in text else f"{self._target}: {text}") from failure
