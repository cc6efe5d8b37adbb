# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Give the parameters of a document as AWS has them: lists of texts. Pure."""

from __future__ import annotations

import typing as t


def as_texts(parameters: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Give a list of texts for each; a single text, number or boolean stands for a list of it."""
    return {str(name): _texts(value) for name, value in parameters.items()}


def _texts(value: t.Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
