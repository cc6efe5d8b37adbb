# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compile and run the program. _session/windows_bundle.py puts it in, compressed, and makes one line of this, which is the argument
# of powershell.exe -Command: so there is no double quote, backslash or brace here, and each line is a statement.
$ErrorActionPreference = 'Stop'
$bytes = [Convert]::FromBase64String('program')
$packed = New-Object System.IO.MemoryStream(,$bytes)
$stream = New-Object System.IO.Compression.DeflateStream($packed, [System.IO.Compression.CompressionMode]::Decompress)
$reader = New-Object System.IO.StreamReader($stream)
$source = $reader.ReadToEnd()
Add-Type -TypeDefinition $source -IgnoreWarnings
exit [FleetSsm.Program]::Main()
