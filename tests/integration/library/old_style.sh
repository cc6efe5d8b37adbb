#!/bin/sh
# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A module for tests as they were before there was JSON: its arguments come as name=value, in a file.
. "$1"
echo "{\"changed\": false, \"text\": \"$text\"}"
