"""Asking the admin API of a running gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.fixtures.gateway import ADMIN_TOKEN

_POLL_S = 0.01
_LIMIT_S = 10.0


@dataclass
class Admin:
    """An operator at one gateway."""

    client: httpx2.AsyncClient

    async def get(self, path: str, **query: str | int) -> httpx2.Response:
        """Ask, whatever the answer."""
        return await self.client.get(f"/admin/v1/{path}", params=query)

    async def find(self, path: str, **query: str | int) -> Any:
        """Ask, and demand an answer."""
        response = await self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def why(self, request_id: str) -> Any:
        """A call's explanation, as soon as it is there."""
        return await self.until(f"calls/{request_id}", lambda found: "outcome" in found)

    async def until(self, path: str, right: Callable[[Any], bool], **query: str | int) -> Any:
        """Ask again until the answer is right."""
        deadline_s = asyncio.get_running_loop().time() + _LIMIT_S
        while True:
            found = (await self.get(path, **query)).json()
            if right(found):
                return found
            if asyncio.get_running_loop().time() > deadline_s:
                pytest.fail(f"{path} went on saying {found}")
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def admin(url: str, token: str = ADMIN_TOKEN) -> AsyncIterator[Admin]:
    """An operator with a token."""
    async with httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {token}"},
        timeout=10,
        trust_env=False,
        verify=False,  # plain HTTP; loading certificates takes 80 ms
    ) as client:
        yield Admin(client)
