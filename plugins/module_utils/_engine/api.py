# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Call the operations of one AWS service by their names, page by page where there are pages, with failures explained."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import explained, option_name


class Api:
    """One service's client with its model."""

    def __init__(self, client: t.Any) -> None:
        self._client = client
        self._model = client.meta.service_model

    def call(self, operation: str, **request: t.Any) -> dict[str, t.Any]:
        """Make one request."""
        method = getattr(self._client, option_name(operation))
        with self._explained():
            answer: dict[str, t.Any] = method(**request)
        answer.pop("ResponseMetadata", None)
        return answer

    def items(self, operation: str, member: str, **request: t.Any) -> t.Iterator[dict[str, t.Any]]:
        """Give the entries of one list of the answer, from all pages, which are as large as AWS lets them be."""
        pages = self._client.get_paginator(option_name(operation))
        size = self.request_shape(operation).members["MaxResults"].metadata.get("max")
        with self._explained():
            for page in pages.paginate(**request, PaginationConfig={"PageSize": size}):
                yield from page[member]

    def request_shape(self, operation: str) -> t.Any:
        """Give the shape of an operation's request."""
        return self._model.operation_model(operation).input_shape

    def answer_shape(self, operation: str) -> t.Any:
        """Give the shape of an operation's answer."""
        return self._model.operation_model(operation).output_shape

    def _explained(self) -> t.ContextManager[None]:
        meta = self._client.meta
        return explained(self._model.service_name, meta.region_name, meta.endpoint_url)
