# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Tells what it was given. Where there is no PowerShell, its stand-in (tests/emulator/agent/powershell.py) answers in its place.

#AnsibleRequires -CSharpUtil Ansible.Basic

$spec = @{
    options = @{
        text = @{ type = 'str' }
        fail = @{ type = 'str' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$module.Result.given = @{ text = $module.Params.text; fail = $module.Params.fail }
if ($module.Params.fail) {
    $module.FailJson($module.Params.fail)
}
$module.ExitJson()
