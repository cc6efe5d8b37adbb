# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module parameter and the lookup parameter in a play, against the emulator."""

from __future__ import annotations

import pytest

from tests.integration.running_emulator import Ansible, RunningEmulator

pytestmark = pytest.mark.long

PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    secret: kept-to-ourselves
  tasks:
    - fleet.ssm.parameter: &host {name: /plant7/db/host, value: db-1, tags: {site: plant7}}
    - fleet.ssm.parameter: &password {name: /plant7/db/password, secret_value: "{{ secret }}"}
    - fleet.ssm.parameter: *host
      register: again
      failed_when: again.changed
    - fleet.ssm.parameter: *password
      register: again
      failed_when: again.changed
    - fleet.ssm.parameter: {name: /plant7/db/host, value: db-2, description: The second}
      check_mode: true
    - fleet.ssm.parameter: {name: /plant7/db/password, secret_value: another-secret}
      register: told
    - ansible.builtin.assert:
        that:
          - query('fleet.ssm.parameter', '/plant7/db/password', '/plant7/db/host') == ['another-secret', 'db-1']
          - lookup('fleet.ssm.parameter', '/plant7/db/password:1') == secret
          - lookup('fleet.ssm.parameter', '/none', on_missing='skip') | default('none', true) == 'none'
          - lookup('fleet.ssm.parameter', '/plant7', by_path=true, recursive=true, names='relative')['db/host'] == 'db-1'
          - told.parameter.version == 2
        quiet: true
      no_log: true
    - fleet.ssm.parameter: {name: "{{ item }}", state: absent}
      loop: [/plant7/db/host, /plant7/db/password]
    - fleet.ssm.parameter: {name: /plant7/db/host, state: absent}
      register: gone
      failed_when: gone.changed
"""


def test_parameters_are_kept_and_looked_up_and_no_secret_is_shown(ansible: Ansible, emulator: RunningEmulator) -> None:
    emulator.order({"throttle": {"operation": "PutParameter", "times": 1}})
    path = ansible.folder / "play.yml"
    path.write_text(PLAY, encoding="utf-8")
    run = ansible.run("ansible-playbook", str(path), "--diff", "-vvv")
    assert run.code == 0, str(run)
    assert emulator.calls("ssm:PutParameter") == 3 + 1
    assert '"db-2"' in run.output
    assert run.says('+    "secret_value": "(as given)"')
    # The variable is shown by nothing here but the play's file itself.
    assert "kept-to-ourselves" not in run.output
    assert "another-secret" not in run.output.replace("secret_value: another-secret", "")
