#!/bin/sh
# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A module for tests that is not Python. WANT_JSON has its arguments come as JSON, in a file.
printf '{"changed": true, "arguments": %s, "stdin": "%s", "umask": "%s"}\n' "$(cat "$1")" "$(cat)" "$(umask)"
