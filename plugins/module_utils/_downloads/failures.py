# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What can go wrong with a download, in sentences that say what to do next. Runs on the node: Python 3.6."""


class DownloadError(Exception):
    """A download that failed for good; its text is ready for the user."""
