# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document how modules on a node load files, and whose signatures they trust."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment fleet.ssm.download."""

    DOCUMENTATION = r"""
options:
  fingerprints:
    description:
      - Of the keys, trust only those with these fingerprints, each 40 hexadecimal digits. Spaces in them do not count.
      - Without it, all given keys are trusted.
    type: list
    elements: str
    default: []
  accept_expired_key:
    description:
      - Accept the signature of a key that has expired since, if the signature says that it was made before. The module warns of it.
      - A file that was signed years ago needs it. Whoever has got hold of an old key can write any date into a signature, so
        leave it off for everything else.
    type: bool
    default: false
  proxy:
    description:
      - The proxies to go through, and no others. Without it, the environment variables E(http_proxy), E(https_proxy) and
        E(no_proxy) say so.
    type: dict
    suboptions:
      http:
        description: URL of the proxy for C(http://).
        type: str
      https:
        description: URL of the proxy for C(https://).
        type: str
      'no':
        description: Host names, separated by commas, that are reached without a proxy.
        type: str
  ca_bundle:
    description:
      - A file on the node with the certificate authorities (PEM) to trust instead of the system's.
    type: path
  timeout:
    description:
      - How many seconds to wait for the server to connect, and to send something.
    type: int
    default: 30
"""
