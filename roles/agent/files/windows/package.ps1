# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Install or update the SSM Agent from AWS's setup program, whose signature must hold and be of one of the publishers.
# Source of names and arguments: agent/setupcli of aws/amazon-ssm-agent. In a check it downloads and verifies, and runs nothing.
# Files are handled by .NET, since cmdlets do nothing in a check.
[CmdletBinding(SupportsShouldProcess)]
param (
    [string] $Version,
    [string] $Installed,
    [string] $Place,
    [string] $Architecture,
    [string[]] $Publishers,
    [string] $Proxy
)

$Ansible.Changed = $false
$Ansible.Result = @{ version = $Installed; previous_version = $Installed }
if ($Version -eq 'present' -and $Installed) { return }
if (-not $Place) { throw 'agent_region must be the name of an AWS region, such as eu-west-1.' }

[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
$client = New-Object -TypeName Net.WebClient
if ($Proxy) {
    $address = [uri] $Proxy
    $client.Proxy = New-Object -TypeName Net.WebProxy -ArgumentList $address
    if ($address.UserInfo) {
        $user, $password = $address.UserInfo.Split(@(':'), 2) | ForEach-Object { [uri]::UnescapeDataString($_) }
        $client.Proxy.Credentials = New-Object -TypeName Net.NetworkCredential -ArgumentList $user, $password
    }
}

$isPinned = $Version -notin @('present', 'latest', 'stable')
$wanted = $Version
if (-not $isPinned) {
    $channel = if ($Version -eq 'stable') { 'stable' } else { 'latest' }
    $url = "$Place/$channel/VERSION"
    $wanted = $client.DownloadString($url).Trim()
    if ($wanted -notmatch '^\d+(\.\d+){3}$') { throw "$url should hold a version. Is that a proxy's page?" }
}
if ($Installed -and [version] $Installed -ge [version] $wanted) {
    if ($isPinned -and [version] $Installed -gt [version] $wanted) {
        throw "Version $Installed is installed, which is newer than $wanted. The setup program takes no older version: uninstall the agent first."
    }
    return
}

$folder = [IO.Path]::Combine([IO.Path]::GetTempPath(), [guid]::NewGuid().ToString())
$null = [IO.Directory]::CreateDirectory($folder)
try {
    $url = "$Place/$wanted/windows_$Architecture/AmazonSSMAgentSetup.exe"
    $setup = [IO.Path]::Combine($folder, 'AmazonSSMAgentSetup.exe')
    $client.DownloadFile($url, $setup)
    $signature = Get-AuthenticodeSignature -LiteralPath $setup
    if ($signature.Status -ne 'Valid') {
        throw "The signature of $url does not hold ($($signature.Status): $($signature.StatusMessage)). Nothing was installed."
    }
    $form = [Security.Cryptography.X509Certificates.X509NameType]::SimpleName
    $publisher = $signature.SignerCertificate.GetNameInfo($form, $false)
    if ($publisher -notin $Publishers) {
        throw "$url was signed by $publisher, which is none of agent_windows_publishers. Nothing was installed."
    }
    if (-not $Ansible.CheckMode) {
        $arguments = @('ALLOWEC2INSTALL=YES', 'SKIPSYMLINKSCAN=YES', '/quiet', '/norestart')
        $done = Start-Process -FilePath $setup -ArgumentList $arguments -Wait -PassThru
        # 3010: done, and Windows wants to be restarted some time.
        if ($done.ExitCode -notin @(0, 3010)) { throw "The setup program of $wanted ended with exit code $($done.ExitCode)." }
        $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent'
        if (-not (Test-Path -LiteralPath $key)) { throw "The setup program of $wanted ended without an error, but there is no service." }
        $now = [regex]::Match([string] (Get-Item -LiteralPath $key).GetValue('Version'), '\d+\.\d+\.\d+\.\d+').Value
        # A signature says nothing of the place: an old program would pass under a new name.
        if ($now -and $now -ne $wanted) { throw "$url has installed version $now and not $wanted." }
    }
} finally {
    [IO.Directory]::Delete($folder, $true)
}
$Ansible.Changed = $true
$Ansible.Result = @{ version = $wanted; previous_version = $Installed }
