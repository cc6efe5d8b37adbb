# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Say which SSM Agent this machine has, in the form of the module agent_info. Changes nothing.
# Source of keys and paths: agent/appconfig/constants_windows.go, agent/setupcli of aws/amazon-ssm-agent.
[CmdletBinding(SupportsShouldProcess)]
param ()

$Ansible.Changed = $false
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent'
$folder = Join-Path $env:ProgramFiles 'Amazon\SSM'
$config = Join-Path $folder 'amazon-ssm-agent.json'
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='AmazonSSMAgent'"

function Get-Said([string] $Program, [string] $Argument) {
    # What a program prints to standard error would stop the script.
    $ErrorActionPreference = 'SilentlyContinue'
    $path = Join-Path $folder $Program
    if (-not (Test-Path -LiteralPath $path)) { return '' }
    $said = & $path $Argument 2>$null
    if ($LASTEXITCODE -ne 0) { return '' }
    return ($said -join "`n")
}

$version = ''
$environment = @()
if ($service) {
    $there = Get-Item -LiteralPath $key
    $environment = @($there.GetValue('Environment', @()))
    $version = [regex]::Match([string] $there.GetValue('Version'), '\d+\.\d+\.\d+\.\d+').Value
    if (-not $version) { $version = [regex]::Match((Get-Said 'amazon-ssm-agent.exe' '-version'), '\d+\.\d+\.\d+\.\d+').Value }
}
$identity = $null
$told = Get-Said 'ssm-cli.exe' 'get-instance-information'
if ($told) { $identity = ConvertFrom-Json $told }

$agent = @{ kind = $null; version = $null; unit = $null; running = $null; enabled = $null; node_id = $null; region = $null }
$installed = @()
if ($service) {
    $agent = @{
        kind = 'exe'
        version = $version
        unit = 'AmazonSSMAgent'
        running = $service.State -eq 'Running'
        enabled = $service.StartMode -eq 'Auto'
        node_id = $(if ($identity) { $identity.'instance-id' })
        region = $(if ($identity) { $identity.region })
    }
    $installed = @(@{ kind = 'exe'; version = $version })
}
$Ansible.Result = @{
    agent = $agent
    installed = $installed
    system = @{ kind = 'exe'; architecture = $(if ([Environment]::Is64BitOperatingSystem) { 'amd64' } else { '386' }); booted = $true }
    environment = $environment
    config_path = $config
    config = $(if ([IO.File]::Exists($config)) { [IO.File]::ReadAllText($config) } else { '' })
}
