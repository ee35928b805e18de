"""Agents that call without end, and what became of each of their calls."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from random import Random
from typing import Any

import httpx2

MODEL = "claude-sonnet-5"
SHORTEST, LONGEST = 4, 20
"""Output tokens of a call; what an estimate can be wrong by is at most the difference."""
AT_ONCE = 4
"""Calls of each agent."""
_PATIENCE_S = 60.0
_LEAVES = 0.03
"""The part of calls whose client goes away in the middle."""


class End(StrEnum):
    """How a call ended for its client."""

    WHOLE = "whole"
    TYPED = "typed"
    LEFT = "left"
    CUT = "cut"
    """The connection broke. That is a fault unless its gateway was killed meanwhile."""


@dataclass
class Call:
    """One call.

    Attributes:
        name: Sent to the provider, whose log has it.
        error: The type of a typed error.
        usage: Input and output tokens as the client was told.
    """

    name: str
    agent: str
    replica: int
    began_s: float
    ended_s: float = 0.0
    end: End = End.CUT
    error: str = ""
    request_id: str = ""
    usage: tuple[int, int] = (0, 0)


@dataclass
class Fleet:
    """All agents.

    Attributes:
        urls: Of the gateways.
        keys: By agent.
        at_once: Calls of each agent at once.
        calls: Those that ended, apart from connections that were refused.
    """

    urls: list[str]
    keys: dict[str, str]
    seed: int
    at_once: int = AT_ONCE
    calls: list[Call] = field(default_factory=list)
    refused: int = 0
    stopping: bool = False
    _numbers: Any = field(default_factory=lambda: count(1))

    async def run(self) -> None:
        """Call until told to stop, and finish what has begun."""
        async with asyncio.TaskGroup() as group:
            for agent in self.keys:
                for worker in range(self.at_once):
                    group.create_task(self._work(agent, worker))

    async def _work(self, agent: str, worker: int) -> None:
        dice = Random(f"{self.seed}/{agent}/{worker}")
        async with httpx2.AsyncClient(timeout=_PATIENCE_S, trust_env=False, verify=False) as client:
            while not self.stopping:
                replica = dice.randrange(len(self.urls))
                call = Call(f"{agent}/{next(self._numbers)}", agent, replica, time.monotonic())
                try:
                    pause_s = await self._call(client, call, dice)
                except httpx2.ConnectError:
                    self.refused += 1
                    pause_s = 0.1
                else:
                    call.ended_s = time.monotonic()
                    self.calls.append(call)
                await asyncio.sleep(pause_s)

    async def _call(self, client: httpx2.AsyncClient, call: Call, dice: Random) -> float:
        """Make one call; returns how long to rest."""
        stream, leaves = dice.random() < 0.5, dice.random() < _LEAVES
        words, tokens = dice.randrange(5, 60), dice.randint(SHORTEST, LONGEST)
        body = {
            "model": MODEL,
            "max_tokens": 32,
            "stream": stream,
            "messages": [{"role": "user", "content": "word " * words + f"[[output={tokens}]]"}],
        }
        headers = {
            "x-api-key": self.keys[call.agent],
            "anthropic-version": "2023-06-01",
            "x-sim-client": call.name,
            "x-gateway-priority": dice.choice(["urgent", "normal", "normal", "background"]),
        }
        url = f"{self.urls[call.replica]}/v1/messages"
        patience_s = dice.uniform(0.01, 0.5) if leaves else _PATIENCE_S
        try:
            async with (
                asyncio.timeout(patience_s),
                client.stream("POST", url, json=body, headers=headers) as response,
            ):
                call.request_id = response.headers.get("x-gateway-request-id", "")
                text = (await response.aread()).decode()
        except httpx2.ConnectError:
            raise
        except TimeoutError:
            call.end = End.LEFT if leaves else End.CUT
            return 0.0
        except httpx2.HTTPError as error:
            call.end, call.error = End.CUT, repr(error)
            return 0.1
        (_understand_stream if stream and response.status_code == 200 else _understand)(call, text)
        if call.end is not End.TYPED:
            return dice.random() * 0.05
        return min(0.5, float(response.headers.get("retry-after", 0.2)))


def _understand(call: Call, text: str) -> None:
    try:
        found = json.loads(text)
    except ValueError:
        call.error = f"no JSON: {text[:80]!r}"
        return
    _heed(call, found)


def _heed(call: Call, found: dict[str, Any]) -> None:
    if found.get("type") == "error":
        call.end, call.error = End.TYPED, str(found["error"]["type"])
    elif found.get("type") == "message":
        call.end = End.WHOLE
        call.usage = (found["usage"]["input_tokens"], found["usage"]["output_tokens"])


def _understand_stream(call: Call, text: str) -> None:
    sent = output = 0
    take: Callable[[str], Any] = json.loads
    for line in text.splitlines():
        if not line.startswith("data: "):
            continue
        event = take(line[6:])
        match event["type"]:
            case "message_start":
                sent = event["message"]["usage"]["input_tokens"]
            case "message_delta":
                output = event["usage"]["output_tokens"]
            case "message_stop":
                call.end, call.usage = End.WHOLE, (sent, output)
            case "error":
                _heed(call, event)
            case _:
                pass
    if call.end is End.CUT:
        call.error = "a stream without an end"
