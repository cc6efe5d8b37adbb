# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Call the operations of one AWS service by their names, page by page where there are pages, with failures explained."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import explained, option_name, send_once

# Quick Setup has a word of its own for it.
_PAGE_SIZES = ("MaxResults", "MaxItems")


class Api:
    """One service's client with its model, and where there are more of them the way to those."""

    def __init__(self, client: t.Any, clients: t.Callable[..., t.Any] | None = None) -> None:
        self._client = client
        self._clients = clients
        self._model = client.meta.service_model

    def of(self, service: str, region: str | None = None) -> Api:
        """Give another service of the same identity, in another region where one is named."""
        if self._clients is None:
            raise TypeError("an Api that was made of one client has no others")
        return Api(self._clients(service, region), self._clients)

    def forget_connections(self) -> None:
        """Have the next request open a connection of its own."""
        self._client.close()

    def call(self, operation: str, **request: t.Any) -> dict[str, t.Any]:
        """Make one request."""
        method = getattr(self._client, option_name(operation))
        with self._explained():
            answer: dict[str, t.Any] = method(**request)
        answer.pop("ResponseMetadata", None)
        return answer

    def call_once(self, operation: str, **request: t.Any) -> dict[str, t.Any]:
        """Make one request that is not repeated unless it surely did not arrive: AWS would do what it asks for again."""
        send_once(self._client, operation)
        return self.call(operation, **request)

    def items(self, operation: str, member: str, **request: t.Any) -> t.Iterator[dict[str, t.Any]]:
        """Give the entries of one list of the answer, from all pages, which are as large as AWS lets them be."""
        pages = self._client.get_paginator(option_name(operation))
        size = self._largest_page(operation)
        with self._explained():
            for page in pages.paginate(**request, PaginationConfig={"PageSize": size}):
                yield from page.get(member, [])

    def _largest_page(self, operation: str) -> int | None:
        members = self.request_shape(operation).members
        return next((members[name].metadata.get("max") for name in _PAGE_SIZES if name in members), None)

    def request_shape(self, operation: str) -> t.Any:
        """Give the shape of an operation's request."""
        return self._model.operation_model(operation).input_shape

    def answer_shape(self, operation: str) -> t.Any:
        """Give the shape of an operation's answer."""
        return self._model.operation_model(operation).output_shape

    def _explained(self) -> t.ContextManager[None]:
        meta = self._client.meta
        return explained(self._model.service_name, meta.region_name, meta.endpoint_url)
