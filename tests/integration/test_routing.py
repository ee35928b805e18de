"""Routes through a whole gateway: what is asked for, what answers, and what is said of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np
import pytest

from gateway.core.routing.decide import Question, Verdict
from gateway.core.routing.features import WIDTH
from gateway.core.routing.scorer import RANKS, Claim, TrainedScorer
from gateway.domain.routes import Preference, Route, RouteMatch, RouteMode
from gateway.domain.topology import Agent
from gateway.simulator import RunningSimulator
from gateway.simulator.faults import FaultRule
from gateway.wiring.scorers import save_scorer
from tests.fixtures.gateway import (
    ALICE,
    BOB,
    KEY,
    OTHER_KEY,
    gateway_settings,
    running_gateway,
)
from tests.integration.asking import admin

STRONG, WEAK = "claude-sonnet-4-5", "claude-haiku-4-5"
EASY = "What is the capital of France?"
HARD = "Refactor the module: " + "\n".join(f"- step {n}: fix foo_{n}.py" for n in range(12))
ENFORCED = Route(
    RouteMatch(model="claude-sonnet-*"), WEAK, RouteMode.ENFORCE, name="easy", holdout=0.0
)


@dataclass
class Client:
    """Calls a gateway as an agent's own HTTP client would."""

    url: str
    http: httpx2.AsyncClient

    async def ask(
        self,
        *texts: str,
        model: str = STRONG,
        key: str = KEY,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx2.Response:
        """One call; the texts are the user's and the model's in turn."""
        roles = ("user", "assistant")
        messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
        body = {"model": model, "max_tokens": 50, "messages": messages, **fields}
        answer = await self.http.post(
            "/v1/messages", json=body, headers={"x-api-key": key, **(headers or {})}
        )
        assert answer.status_code == 200, answer.text
        return answer


@asynccontextmanager
async def routed(
    simulator: RunningSimulator, store_url: str, *routes: Route, agents: tuple[Agent, ...] = ()
) -> AsyncIterator[Client]:
    """A gateway with routes, in front of the simulator."""
    settings = gateway_settings(simulator.url, agents=agents)
    settings = replace(settings, topology=replace(settings.topology, routes=routes))
    async with (
        running_gateway(settings, store_url) as gateway,
        httpx2.AsyncClient(
            base_url=gateway.url,
            headers={"anthropic-version": "2023-06-01"},
            trust_env=False,
            verify=False,
        ) as http,
    ):
        yield Client(gateway.url, http)


def told(answer: httpx2.Response) -> str:
    """Choice and reason, as the header says."""
    fields = dict(
        part.split("=") for part in answer.headers["x-gateway-route"].split(";") if "=" in part
    )
    return f"{fields['choice']}/{fields['reason']}"


def served(answer: httpx2.Response) -> str:
    """The model that the provider was asked for."""
    name = answer.json()["model"]
    assert answer.headers["x-gateway-model"] == name
    return str(name)


async def test_a_simple_call_goes_to_the_cheap_model_and_all_is_told(
    simulator: RunningSimulator, store_url: str
) -> None:
    async with routed(simulator, store_url, ENFORCED) as client, admin(client.url) as operator:
        easy = await client.ask(EASY)
        assert (told(easy), served(easy)) == ("move/simple", WEAK)
        assert easy.headers["x-gateway-route"].startswith("easy;mode=enforce;")
        assert easy.headers["x-gateway-requested-model"] == STRONG
        hard = await client.ask(HARD)
        assert (told(hard), served(hard)) == ("stay/complex", STRONG)
        why = (await operator.why(easy.headers["x-gateway-request-id"]))["route"]
        assert (why["asked"], why["chosen"], why["reason"]) == (STRONG, WEAK, "simple")
        assert why["saved_microusd"] > 0
        metrics = (await client.http.get("/metrics")).text
        assert f'gen_ai_response_model="{WEAK}"' in metrics
        other = await client.ask(EASY, model="claude-opus-4-5")
        assert other.headers["x-gateway-route"] == "off"


async def test_a_decision_holds_for_the_conversation(
    simulator: RunningSimulator, store_url: str
) -> None:
    async with routed(simulator, store_url, ENFORCED) as client:
        first = await client.ask(EASY)
        later = await client.ask(EASY, "Paris.", HARD)
        assert (told(first), told(later)) == ("move/simple", "move/pinned")
        assert served(later) == WEAK
        opening = await client.ask(HARD)
        after = await client.ask(HARD, "Done.", EASY)
        assert (told(opening), told(after)) == ("stay/complex", "stay/pinned")
        result: list[dict[str, Any]] = [
            {"role": "user", "content": "Where are we?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "ls", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
        ]
        tools = [{"name": "ls", "input_schema": {"type": "object"}}]
        unknown = await client.ask(messages=result, tools=tools)
        assert told(unknown) == "stay/unknown_session"
        named = {"x-gateway-session": "mine"}
        assert told(await client.ask(EASY, headers=named)) == "move/simple"
        assert told(await client.ask(HARD, headers=named)) == "move/pinned"


async def test_a_move_is_taken_back_for_good(simulator: RunningSimulator, store_url: str) -> None:
    same = {"type": "tool_use", "id": "t", "name": "ls", "input": {"path": "."}}
    turns: list[dict[str, Any]] = [{"role": "user", "content": EASY}]
    for _ in range(3):
        turns += [
            {"role": "assistant", "content": [same]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
        ]
    tools = [{"name": "ls", "input_schema": {"type": "object"}}]
    async with routed(simulator, store_url, ENFORCED) as client:
        assert told(await client.ask(EASY, tools=tools)) == "move/simple"
        stuck = await client.ask(messages=turns, tools=tools)
        assert (told(stuck), served(stuck)) == ("stay/escalated", STRONG)
        assert told(await client.ask(EASY, tools=tools)) == "stay/pinned"

        session = {"x-gateway-session": "second"}
        assert told(await client.ask(EASY, headers=session)) == "move/simple"
        again = {**session, "x-gateway-route": "strong", "x-stainless-retry-count": "1"}
        assert told(await client.ask(EASY, headers=again)) == "stay/escalated"
        assert told(await client.ask(EASY, headers=session)) == "stay/pinned"


async def test_what_the_cheap_model_cannot_take_is_answered_by_the_other(
    simulator: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule(
        "status", model=WEAK, status=400, message="prompt is too long: 210000 tokens", count=1
    )
    async with routed(simulator, store_url, ENFORCED) as client, admin(client.url) as operator:
        simulator.state.faults.set([rule])
        try:
            answer = await client.ask(EASY)
        finally:
            simulator.state.faults.clear()
        assert (told(answer), served(answer)) == ("stay/escalated", STRONG)
        why = await operator.why(answer.headers["x-gateway-request-id"])
        assert [attempt["model"] for attempt in why["attempts"]] == [WEAK, STRONG]
        assert why["route"]["detail"] == "context_overflow"
        assert told(await client.ask(EASY)) == "stay/pinned"


async def test_shadow_decides_and_changes_nothing(
    simulator: RunningSimulator, store_url: str
) -> None:
    shadow = replace(ENFORCED, mode=RouteMode.SHADOW)
    async with routed(simulator, store_url, shadow) as client, admin(client.url) as operator:
        answer = await client.ask(EASY)
        assert (told(answer), served(answer)) == ("move/simple", STRONG)
        why = await operator.why(answer.headers["x-gateway-request-id"])
        assert (why["route"]["mode"], why["route"]["saved_microusd"] > 0) == ("shadow", True)
        assert why["model"] == STRONG


async def test_callers_may_ask_for_a_side_where_the_policy_lets_them(
    simulator: RunningSimulator, store_url: str
) -> None:
    strict = replace(ENFORCED, name="strict", headers=(Preference.OFF,))
    bobs = replace(strict, match=replace(strict.match, agents=(BOB,)))
    async with routed(simulator, store_url, bobs, ENFORCED) as client:
        off = await client.ask(EASY, headers={"x-gateway-route": "off"})
        assert (told(off), served(off)) == ("stay/asked_off", STRONG)
        cheap = await client.ask(HARD, headers={"x-gateway-route": "cheap"})
        assert (told(cheap), served(cheap)) == ("move/asked_cheap", WEAK)
        strong = await client.ask("Another: " + EASY, headers={"x-gateway-route": "strong"})
        assert told(strong) == "stay/asked_strong"
        ignored = await client.ask(HARD, key=OTHER_KEY, headers={"x-gateway-route": "cheap"})
        assert told(ignored) == "stay/complex"
        refused = await client.http.post(
            "/v1/messages",
            json={"model": STRONG, "max_tokens": 9, "messages": []},
            headers={"x-api-key": KEY, "x-gateway-route": "fast"},
        )
        assert (refused.status_code, refused.headers["x-gateway-reason"]) == (400, "bad_request")


async def test_bounds_of_an_agent_hold_whatever_it_asks_for(
    simulator: RunningSimulator, store_url: str
) -> None:
    agents = (Agent(ALICE, floor="claude-sonnet-4-5"), Agent(BOB, ceiling="claude-haiku-4-5"))
    async with routed(simulator, store_url, ENFORCED, agents=agents) as client:
        floor = await client.ask(EASY, headers={"x-gateway-route": "cheap"})
        assert (told(floor), served(floor)) == ("stay/floor", STRONG)
        ceiling = await client.ask(HARD, key=OTHER_KEY, headers={"x-gateway-route": "off"})
        assert (told(ceiling), served(ceiling)) == ("move/ceiling", WEAK)


async def test_auto_means_what_its_policy_says(simulator: RunningSimulator, store_url: str) -> None:
    policy = replace(ENFORCED, complex=STRONG, match=RouteMatch(agents=(ALICE,)))
    async with routed(simulator, store_url, policy) as client:
        assert served(await client.ask(EASY, model="auto")) == WEAK
        hard = await client.ask(HARD, model="auto:easy")
        assert (served(hard), hard.headers["x-gateway-requested-model"]) == (STRONG, "auto:easy")
        for path, model, key in (
            ("/v1/messages", "auto:other", KEY),
            ("/v1/messages", "auto", OTHER_KEY),
            ("/v1/messages/count_tokens", "auto", KEY),
        ):
            refused = await client.http.post(
                path,
                json={"model": model, "max_tokens": 9, "messages": []},
                headers={"x-api-key": key},
            )
            assert refused.status_code == 404
            assert refused.headers["x-gateway-reason"] == "unknown_model"


async def test_only_the_model_s_name_is_changed(
    simulator: RunningSimulator, store_url: str
) -> None:
    """The splice is byte-exact: what the simulator reads is the body with another name."""
    async with routed(simulator, store_url, ENFORCED) as client:
        body = (
            '{ "messages":[{"role":"user","content":"'
            + EASY
            + '"}],\n "model" : "%s","max_tokens":9}'
        )
        answer = await client.http.post(
            "/v1/messages",
            content=body % STRONG,
            headers={"x-api-key": KEY, "content-type": "application/json"},
        )
        assert served(answer) == WEAK
        assert json.loads(body % WEAK)["model"] == WEAK


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("thinking", {"thinking": {"type": "adaptive"}}),
        ("unknown field", {"speed": "fast"}),
        ("effort", {"output_config": {"effort": "high"}}),
    ],
)
async def test_what_the_cheap_model_is_not_known_to_do_stays(
    simulator: RunningSimulator, store_url: str, why: str, fields: dict[str, Any]
) -> None:
    strong = replace(ENFORCED, match=RouteMatch())
    async with routed(simulator, store_url, strong) as client:
        answer = await client.ask(EASY, model="claude-opus-4-6", **fields)
        assert told(answer) == "stay/capability", why


async def test_the_admin_api_tells_what_came_of_a_route_and_takes_outcomes(
    simulator: RunningSimulator, store_url: str
) -> None:
    route = replace(ENFORCED, min_volume=3, margin=0.2)
    held = replace(route, name="held", holdout=0.9, match=RouteMatch(model="claude-opus-*"))
    async with routed(simulator, store_url, route, held) as client, admin(client.url) as operator:
        answers = [await client.ask(f"{EASY} {n}") for n in range(4)]
        for n in range(12):
            await client.ask(f"{EASY} {n}", model="claude-opus-4-5")
        first, second = (await operator.find("routes"))["items"]
        assert (first["name"], first["mode_in_force"]) == ("easy", "enforce")
        assert first["arms"]["routed"]["conversations"] == 4
        assert first["arms"]["routed"]["saved_microusd"] > 0
        assert (
            second["arms"]["holdout"]["conversations"] > second["arms"]["routed"]["conversations"]
        )
        held_out = second["arms"]["holdout"]
        assert held_out["stay_microusd"] == held_out["actual_microusd"] > held_out["other_microusd"]

        told = {"request_id": answers[0].headers["x-gateway-request-id"], "good": False}
        taken = await operator.client.post("/admin/v1/feedback", json=told)
        assert taken.json() == {"route": "easy", "arm": "routed"}
        await client.ask(EASY, headers={"x-gateway-session": "s1"})
        told = {"session": "s1", "agent": ALICE, "good": True}
        assert (await operator.client.post("/admin/v1/feedback", json=told)).status_code == 200
        arm = (await operator.find("routes/easy"))["arms"]["routed"]
        assert (arm["troubled"], arm["troubles"]["outcome"], arm["good_outcomes"]) == (1, 1, 1)
        for wrong, status in (
            ({"request_id": "req_nobody", "good": True}, 404),
            ({"session": "s1", "good": True}, 422),
            ({"good": True}, 422),
        ):
            answer = await operator.client.post("/admin/v1/feedback", json=wrong)
            assert answer.status_code == status
        assert (await operator.get("routes/none")).status_code == 404
        assert (await operator.client.post("/admin/v1/routes/easy/resume")).status_code == 200
        arm = (await operator.find("routes/easy"))["arms"]["routed"]
        assert arm["conversations"] == 0
        (change,) = (await operator.find("audit", action="routes.resume"))["items"]
        assert change["subject"] == "routes/easy"


async def test_a_conversation_keeps_its_model_on_another_replica(
    simulator: RunningSimulator, store_url: str
) -> None:
    session = {"x-gateway-session": "two-replicas"}
    async with (
        routed(simulator, store_url, ENFORCED) as one,
        routed(simulator, store_url, ENFORCED) as other,
    ):
        assert told(await one.ask(EASY, headers=session)) == "move/simple"
        for _ in range(200):
            later = await other.ask(HARD, "And?", HARD, headers=session)
            if told(later) == "move/pinned":
                break
            session = {"x-gateway-session": session["x-gateway-session"] + "x"}
            assert told(await one.ask(EASY, headers=session)) == "move/simple"
        assert told(later) == "move/pinned"


async def test_any_refusal_of_a_moved_call_is_put_to_the_model_that_was_asked_for(
    simulator: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", model=WEAK, status=400, message="odd: something new", count=1)
    async with routed(simulator, store_url, ENFORCED) as client:
        simulator.state.faults.set([rule])
        try:
            answer = await client.ask(EASY)
            assert (told(answer), served(answer)) == ("stay/escalated", STRONG)
            assert told(await client.ask(EASY)) == "stay/pinned"
            both = msgspec.structs.replace(rule, model="*", count=2)
            simulator.state.faults.set([both])
            wrong = await client.http.post(
                "/v1/messages",
                json={
                    "model": STRONG,
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": "Another."}],
                },
                headers={"x-api-key": KEY},
            )
            assert (wrong.status_code, "something new" in wrong.text) == (400, True)
        finally:
            simulator.state.faults.clear()
        assert told(await client.ask("Another.")) == "move/pinned"


async def test_a_cheap_model_that_fails_is_stood_in_for_and_counted_against_the_route(
    simulator: RunningSimulator, store_url: str
) -> None:
    async with routed(simulator, store_url, ENFORCED) as client, admin(client.url) as operator:
        simulator.state.faults.set([FaultRule("status", model=WEAK, status=500, count=9)])
        try:
            answer = await client.ask(EASY)
        finally:
            simulator.state.faults.clear()
        assert (served(answer), told(answer)) == (STRONG, "move/simple")
        await operator.why(answer.headers["x-gateway-request-id"])
        arm = (await operator.find("routes/easy"))["arms"]["routed"]
        assert (arm["troubled"], arm["troubles"]["error"]) == (1, 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_move_may_cross_to_another_dialect(
    simulator: RunningSimulator, store_url: str, stream: bool
) -> None:
    abroad = replace(ENFORCED, simple="openai/gpt-4o-mini")
    tools = [{"name": "ls", "description": "Lists.", "input_schema": {"type": "object"}}]
    async with routed(simulator, store_url, abroad) as client, admin(client.url) as operator:
        answer = await client.ask(EASY, tools=tools, stream=stream)
        assert answer.headers["x-gateway-model"] == "gpt-4o-mini"
        assert (b"message_stop" in answer.content) == stream
        why = await operator.why(answer.headers["x-gateway-request-id"])
        assert (why["provider"], why["route"]["asked"]) == ("openai", STRONG)
        assert why["route"]["saved_microusd"] > 0


async def test_routes_serve_openai_and_gemini_callers_too(
    simulator: RunningSimulator, store_url: str
) -> None:
    route = replace(ENFORCED, simple="gpt-4o-mini", match=RouteMatch(model="gpt-4.1"))
    gemini = replace(
        ENFORCED, name="g", simple="gemini-2.5-flash", match=RouteMatch(model="gemini-2.5-pro")
    )
    async with routed(simulator, store_url, route, gemini) as client:
        body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": EASY}]}
        chat = await client.http.post(
            "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"}
        )
        assert chat.json()["model"].startswith("gpt-4o-mini")
        assert told(chat) == "move/simple"
        found = await client.http.post(
            "/v1beta/models/gemini-2.5-pro:generateContent",
            json={"contents": [{"role": "user", "parts": [{"text": EASY}]}]},
            headers={"x-goog-api-key": KEY},
        )
        assert found.json()["modelVersion"].startswith("gemini-2.5-flash")
        assert found.headers["x-gateway-model"] == "gemini-2.5-flash"


async def test_a_mistake_in_a_decision_is_logged_and_means_staying(
    simulator: RunningSimulator,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(asked: Question) -> Verdict:
        raise ZeroDivisionError(asked.conversation)

    monkeypatch.setattr("gateway.dataplane.routing.decide", broken)
    async with routed(simulator, store_url, ENFORCED) as client:
        assert served(await client.ask(EASY)) == STRONG
    assert "no decision" in caplog.text


async def test_a_trained_scorer_decides_in_place_of_the_structure(
    simulator: RunningSimulator, store_url: str, tmp_path: Path
) -> None:
    weights = np.zeros(WIDTH, np.float32)
    ranks = np.linspace(-1.0, 1.0, RANKS).astype(np.float32)
    weights[WIDTH - 1] = 0.9  # everything seems to gain much
    save_scorer(TrainedScorer(weights, ranks, Claim.KNOWN_KINDS, 300), tmp_path / "made")
    scored = replace(ENFORCED, scorer=str(tmp_path / "made"))
    async with routed(simulator, store_url, scored) as client, admin(client.url) as operator:
        answer = await client.ask(EASY)
        assert told(answer) == "stay/complex"
        why = await operator.why(answer.headers["x-gateway-request-id"])
        assert why["route"]["detail"] == "predicted gain 0.95"
        assert why["route"]["score"] == pytest.approx(0.05)


async def test_a_scorer_that_cannot_be_read_leaves_the_structure(
    simulator: RunningSimulator,
    store_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scored = replace(ENFORCED, scorer=str(tmp_path / "none"))
    async with routed(simulator, store_url, scored) as client:
        assert told(await client.ask(EASY)) == "move/simple"
    assert "scoring by structure instead" in caplog.text
