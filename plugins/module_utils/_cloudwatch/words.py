# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Pick out of what the CloudWatch agent's programs say what is wrong. Pure; runs on the node: Python 3.6.

Source: translator/isValid.go, tool/translator/translator.go and tool/cmdwrapper of aws/amazon-cloudwatch-agent.
"""

import re

# The clock of Go's log package.
_CLOCK = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
# What is said on the way, and by the wrappers that start the one program there is.
_CHATTER = re.compile(
    r"I! |D! |Starting config-|Executing /|Reading json config file path|Start configuration validation|Got Home directory"
    r"|\*{6} |E! config-(translator|downloader) process exited|=+ Error Log|\S+ does not exist or cannot read"
)
_LINES = 8


def complaint(error: str, output: str) -> str:
    """Return in one line what a program that failed said of the cause, however little that is."""
    lines = [_CLOCK.sub("", line).strip() for line in [*error.splitlines(), *output.splitlines()]]
    telling = [line for line in lines if line and not _CHATTER.match(line)]
    # What it said on both ways is told once.
    kept = list(dict.fromkeys(telling))
    return " / ".join(kept[:_LINES]) or "it said nothing"
