# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Have Windows uninstall the SSM Agent, by the command that its setup program left for that.
[CmdletBinding(SupportsShouldProcess)]
param ()

$Ansible.Changed = $false
if (-not (Get-CimInstance -ClassName Win32_Service -Filter "Name='AmazonSSMAgent'")) { return }
$below = @('HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall', 'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall')
$entries = $below | Where-Object { Test-Path -LiteralPath $_ } | ForEach-Object { Get-ChildItem -LiteralPath $_ }
$commands = @(
    $entries |
        Where-Object { $_.GetValue('DisplayName') -eq 'Amazon SSM Agent' } |
        ForEach-Object { [string] $_.GetValue('QuietUninstallString') } |
        Where-Object { $_ }
)
if (-not $commands) { throw 'Windows knows no command by which Amazon SSM Agent is uninstalled without questions; use its settings.' }
$Ansible.Changed = $true
if ($Ansible.CheckMode) { return }
$done = Start-Process -FilePath $env:ComSpec -ArgumentList @('/d', '/c', "`"$($commands[0])`"") -Wait -PassThru
if ($done.ExitCode -notin @(0, 3010)) { throw "The agent's setup program ended with exit code $($done.ExitCode)." }
