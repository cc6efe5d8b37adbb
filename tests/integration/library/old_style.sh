#!/bin/sh
# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A module for tests as they were before there was JSON: its arguments come as name=value, in a file.
# shellcheck source=/dev/null
. "$1"
# shellcheck disable=SC2154  # the file assigns it
echo "{\"changed\": false, \"text\": \"$text\"}"
