# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Become, with passwords and without, by programs that behave as sudo and su do."""

from __future__ import annotations

import pytest

from tests.integration.running_emulator import Ansible, Run, RunningEmulator

_PASSWORD = "correct horse"

#: Asks as ``sudo -S -p PROMPT`` does: on standard error, up to three times.
_ASKING_SUDO = f"""#!/bin/sh
prompt=Password:
while [ $# -gt 0 ]; do
    case $1 in
        -p) prompt=$2; shift 2 ;;
        -u) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
for attempt in 1 2 3; do
    printf '%s' "$prompt" >&2
    IFS= read -r answer || exit 1
    if [ "$answer" = '{_PASSWORD}' ]; then
        exec "$@"
    fi
    echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2
exit 1
"""

#: Wants a terminal, and asks on it.
_ASKING_SU = f"""#!/bin/sh
[ -t 0 ] || {{ echo 'su: must be run from a terminal' >&2; exit 1; }}
printf 'Password: ' > /dev/tty
IFS= read -r answer < /dev/tty
[ "$answer" = '{_PASSWORD}' ] || {{ echo 'su: Authentication failure' >&2; exit 1; }}
while [ "$1" != -c ]; do shift; done
exec /bin/sh -c "$2"
"""

_COMMAND = """
- ansible.builtin.command: echo became $((6 * 7))
  become: true
  register: told
- ansible.builtin.assert: {that: "told.stdout == 'became $((6 * 7))' and told.stderr == ''"}
"""


@pytest.fixture(scope="module")
def programs(running_emulator: RunningEmulator, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stand-ins for sudo and su in the home folder of web-1, which commands start in."""
    ansible = Ansible(tmp_path_factory.mktemp("become"), running_emulator)
    folder = ansible.folder / "programs"
    folder.mkdir()
    for name, text in {
        "sudo": _ASKING_SUDO,
        "su": _ASKING_SU,
        "silent": "#!/bin/sh\nsleep 60\n",
        "refusing": "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n",
        "odd": "#!/bin/sh\necho 'something odd' >&2\nexit 3\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    run = ansible.playbook(
        f"- ansible.builtin.copy: {{src: {folder}/, dest: ~/programs/, mode: '0755'}}", ansible.inventory("web-1")
    )
    assert run.code == 0, str(run)


@pytest.fixture
def web(programs: None, ansible: Ansible) -> Ansible:
    """Ansible, for a node that has them."""
    return ansible


def _run(web: Ansible, tasks: str, program: str, password: str | None = _PASSWORD, *arguments: str, **variables: str) -> Run:
    settings = {"ansible_become_exe": f"./programs/{program}", **variables}
    if password is not None:
        settings["ansible_become_password"] = f"'{password}'"
    return web.playbook(tasks, web.inventory("web-1", **settings), *arguments, timeout=60)


def test_sudo_is_given_its_password(web: Ansible) -> None:
    run = _run(web, _COMMAND, "sudo")
    assert run.code == 0, str(run)


def test_su_is_given_a_terminal_and_its_password_there(web: Ansible) -> None:
    run = _run(web, _COMMAND, "su", ansible_become_method="su")
    assert run.code == 0, str(run)


def test_sudo_has_a_terminal_where_it_wants_one(web: Ansible) -> None:
    has_one = "- ansible.builtin.raw: test -t 0 && echo terminal > /dev/tty\n  become: true\n  register: told\n"
    check = "- ansible.builtin.assert: {that: told.stdout == 'terminal\\n'}"
    run = _run(web, has_one + check, "sudo", ansible_ssm_become_tty="true")
    assert run.code == 0, str(run)
    assert _run(web, _COMMAND, "sudo", ansible_ssm_become_tty="true").code == 0


def test_the_output_of_raw_has_neither_prompt_nor_mark(web: Ansible) -> None:
    run = _run(
        web,
        """
- ansible.builtin.raw: printf 'out\\n\\n'; printf 'err' >&2
  become: true
  register: told
- ansible.builtin.assert: {that: "told.stdout == 'out\\n\\n' and told.stderr == 'err'"}
""",
        "sudo",
    )
    assert run.code == 0, str(run)


@pytest.mark.parametrize(("program", "method"), [("sudo", "sudo"), ("su", "su")])
def test_a_wrong_password_is_called_so_at_once(web: Ansible, program: str, method: str) -> None:
    run = _run(web, _COMMAND, program, "wrong horse", ansible_become_method=method)
    assert run.code == 2, str(run)
    assert run.says(f"Incorrect {method} password") or run.says(f"Incorrect ansible.builtin.{method} password")


def test_a_missing_password_is_called_so(web: Ansible) -> None:
    run = _run(web, _COMMAND, "refusing", None)
    assert run.code == 2, str(run)
    assert run.says("Missing sudo password") or run.says("Missing ansible.builtin.sudo password")


def test_a_password_that_is_asked_for_on_a_terminal_and_was_not_given_is_called_so(web: Ansible) -> None:
    run = _run(web, _COMMAND, "su", None, ansible_become_method="su")
    assert run.code == 2, str(run)
    assert run.says("Missing su password. Its stdout: Password:") or run.says("Missing ansible.builtin.su password.")


def test_a_become_program_that_says_nothing_is_given_up_in_time(web: Ansible) -> None:
    run = _run(web, _COMMAND, "silent", ansible_ssm_become_success_timeout="2")
    assert run.code == 4, str(run)
    assert run.says("took more than 2 s (become_success_timeout) to reach the password prompt")


def test_a_become_program_that_fails_otherwise_is_quoted(web: Ansible) -> None:
    run = _run(web, _COMMAND, "odd")
    assert run.code == 2, str(run)
    assert run.says("ended while the password prompt was waited for. Its stderr: something odd")
