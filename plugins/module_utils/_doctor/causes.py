# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Name the doctor's checks in the order of causes, and what each may be a consequence of. Data; runs on nodes, with Python 3.6."""

import typing as t


class Entry(t.NamedTuple):
    """A check: C… is made on the controller with AWS's API, N… on the node.

    consequence_of names the checks whose failure makes this one fail too, directly; all of them stand before it.
    """

    id: str
    title: str
    consequence_of: "t.Tuple[str, ...]" = ()


_WAY = ("C16", "C12", "C15", "C13", "N21")
"""What keeps a request of the node from reaching AWS, as seen in the account."""

CHECKS = (
    Entry("C1", "our own identity and region"),
    Entry("C21", "machine is running"),
    Entry("N1", "agent is installed", ("C21",)),
    Entry("N16", "disk, inodes, mount options"),
    Entry("N19", "SELinux, AppArmor, fapolicyd"),
    Entry("N21", "region and endpoints in the agent's configuration"),
    Entry("N2", "agent is running", ("N1", "N16", "N19")),
    Entry("C16", "name resolution of the VPC"),
    Entry("C12", "VPC endpoints"),
    Entry("C15", "route out of the subnet"),
    Entry("C13", "security groups and network ACLs"),
    Entry("N3", "name resolution", _WAY),
    Entry("N8", "proxy", ("N3",)),
    Entry("N4", "connections to port 443", (*_WAY, "N3", "N8")),
    Entry("N5", "clock"),
    Entry("N6", "certificates", ("N5", "N8", "N21")),
    Entry("N7", "answers of the endpoints", (*_WAY, "N3", "N8", "N4", "N6")),
    Entry("C11", "instance metadata service, as configured", ("C21",)),
    Entry("N14", "instance metadata service, as seen by the node", ("C11", "N8")),
    Entry("C10", "default host management"),
    Entry("C8", "instance profile"),
    Entry("C7", "role of hybrid nodes"),
    Entry("C9", "actions the node's role allows", ("C8", "C7")),
    Entry("C14", "policies of the VPC endpoints"),
    Entry("N12", "credentials", ("N3", "N4", "N5", "N6", "N7", "N8", "N14", "C7", "C8", "C10")),
    Entry("N13", "what AWS denied the agent", ("C7", "C8", "C9", "C10", "C14")),
    Entry("C6", "activation"),
    Entry("C18", "machines with the same identity"),
    Entry("N9", "fingerprint of the machine", ("C18",)),
    Entry("N11", "errors of activations", ("C6", "C7", "N5", "N7", "N14")),
    Entry("N10", "registration", ("N1", "N3", "N4", "N5", "N6", "N7", "N8", "C6", "N9", "N11")),
    Entry("N15", "hibernation", ("N10", "N12", "N13", "N7", "N5")),
    Entry("C2", "AWS knows the node", ("C1", "N1", "N2", "N10", "N11", "N12", "N13", "N15", "C11", "C9", "C14")),
    Entry("C3", "agent reports to AWS", ("C2", "N2", "N9", "N10", "N12", "N13", "N15", "N7", "C11", "C9", "C14")),
    Entry("C17", "tier of hybrid nodes", ("C2",)),
    Entry("C4", "session channel", ("C3", "C17", "N7")),
    Entry("C19", "session preferences", ("C8", "C7", "C9")),
    Entry("N18", "ssm-user and sudo", ("N16",)),
    Entry("C5", "agent's version"),
    Entry("C20", "updates of the agent"),
    Entry("N17", "memory and package locks"),
    Entry("N20", "CloudWatch agent", ("N12", "N16")),
)

DECISIVE = ("C1", "C2", "C3")
"""Checks without which nobody knows whether the node is managed: where one is unknown, the node is not called healthy."""
