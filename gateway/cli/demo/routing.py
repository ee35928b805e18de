"""The last act of the demo: one assistant asks for `auto`, and a policy chooses for each call.

It runs after both runs of the fleet, so that their figures are what they are without it.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.domain.call import Priority
from gateway.domain.routes import AUTO, Route, RouteMatch, RouteMode
from gateway.domain.topology import Agent

ASSISTANT = Agent("assistant", priority=Priority.URGENT)
KEY = "gw-demo-key-of-assistant"
ACCESS_FILE = "calls.jsonl"
_LOOKS, _LOOK_S = 200, 0.05
COMPLEX, SIMPLE = "claude-sonnet-5", "gpt-4o-mini"
POLICY = Route(
    RouteMatch(agents=(ASSISTANT.name,)),
    f"openai/{SIMPLE}",
    RouteMode.ENFORCE,
    complex=f"claude/{COMPLEX}",
    name="demo",
    holdout=0.0,
)
"""Claude for what is complex, a mini model for what is simple. In the demo nothing is held out."""
_TITLES = "You are a title generator. You output ONLY a thread title."
_STEPS = "\n".join(f"- fix the failing test in worker_{n}.py" for n in range(8))
_PAGE = "The worker reads the queue and writes what it found into the report. " * 80


@dataclass(frozen=True, slots=True)
class Ask:
    """One call.

    Attributes:
        about: For the summary.
        text: The ask.
        fields: Of the request, besides.
        route: `x-gateway-route`, if it is sent.
    """

    about: str
    text: str
    fields: dict[str, Any]
    route: str = ""


ASKS = (
    Ask("a short question", "Which port does Redis listen on? [[output=40]]", {}),
    Ask("a title for the session", "worker tests fail [[output=12]]", {"system": _TITLES}),
    Ask("a list of repairs", f"Refactor the worker, then:\n{_STEPS} [[output=300]]", {}),
    Ask("a question about a pasted page", f"{_PAGE} Who reads the queue? [[output=60]]", {}),
    Ask("deep thought", "Is this lock fair? [[output=300]]", {"thinking": {"type": "adaptive"}}),
    Ask("a short question, asked as strong", "What is a mutex? [[output=60]]", {}, "strong"),
    Ask("a translation", "Say good morning in Finnish. [[output=12]]", {}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of one call. Costs are in micro-dollars.

    Attributes:
        model: Who answered.
        why: In the words of `x-gateway-route`.
        stay: What staying with the complex model and its cache would have cost.
    """

    about: str
    model: str
    why: str
    cost: int
    stay: int


async def act(url: str, access_file: Path) -> list[Decided]:
    """Make the calls, and read in the gateway's access log why each went where it did."""
    import anthropic

    http = anthropic.DefaultAsyncHttpxClient(trust_env=False)
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, http_client=http) as sdk:
        ids = await asyncio.gather(*(_asked(sdk, ask) for ask in ASKS))
    lines = await _logged(access_file, set(ids))
    return [_decided(ask, lines[name]) for ask, name in zip(ASKS, ids, strict=True)]


async def _asked(sdk: Any, ask: Ask) -> str:
    """The id of the call."""
    answer = await sdk.messages.with_raw_response.create(
        model=AUTO,
        max_tokens=1_000,
        messages=[{"role": "user", "content": ask.text}],
        extra_headers={"x-gateway-route": ask.route} if ask.route else {},
        **ask.fields,
    )
    return str(answer.headers["x-gateway-request-id"])


async def _logged(access_file: Path, ids: set[str]) -> dict[str, dict[str, Any]]:
    """The lines of these calls; they are written a tenth of a second after the calls have ended."""
    from gateway.store.background import pause

    found: dict[str, dict[str, Any]] = {}
    for _ in range(_LOOKS):
        found = {line["request_id"]: line for line in _lines(access_file)}
        if ids <= found.keys():
            break
        await pause(_LOOK_S)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _decided(ask: Ask, line: dict[str, Any]) -> Decided:
    detail = f" ({line['route_detail']})" if line.get("route_detail") else ""
    cost = line["cost_microusd"]
    return Decided(
        ask.about,
        line["model"],
        f"{line['route_reason']}{detail}".replace("_", " "),
        cost,
        cost + line.get("saved_microusd", 0),
    )


def saved_share(decided: Sequence[Decided]) -> float:
    """What routing has saved of the cost of staying."""
    stay = sum(one.stay for one in decided)
    return 1 - sum(one.cost for one in decided) / stay if stay else 0.0
