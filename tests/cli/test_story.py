"""The story of a call, for every way in which calls end."""

from typing import Any

import pytest

from gateway.cli.story import story, waiting_story

CALL: dict[str, Any] = {
    "request_id": "req_1",
    "at": "2026-11-24T21:27:32.123000Z",
    "outcome": "answered",
    "status": 200,
    "agent": "alice",
    "team": "research",
    "dialect": "anthropic",
    "endpoint": "messages",
    "provider": "claude",
    "lane": "sonnet",
    "model": "claude-sonnet-5",
    "priority": "normal",
    "stream": True,
    "fault": "",
    "reason": "",
    "message": "",
    "retry_after_s": None,
    "cut": False,
    "max_wait_s": 120.0,
    "wait_s": 0.0,
    "upstream_s": 1.5,
    "first_byte_s": 1.0,
    "total_s": 12.345,
    "overhead_s": 0.001,
    "waits": [],
    "attempts": [],
    "moves": [],
    "estimated_input_tokens": 1000,
    "estimated_output_tokens": 40,
    "usage": None,
    "cost_microusd": 0,
    "priced": True,
}
USAGE = {
    "input_tokens": 50,
    "cache_read_tokens": 1000,
    "cache_write_tokens": 100,
    "output_tokens": 30,
    "reasoning_tokens": 0,
    "service_tier": "",
    "exact": True,
}


def told(**fields: Any) -> str:
    return "\n".join(story({**CALL, **fields}))


def attempt(status: int, verdict: str = "", code: str = "", request_id: str = "") -> dict[str, Any]:
    return {
        "status": status,
        "duration_s": 0.5,
        "request_id": request_id,
        "verdict": verdict,
        "code": code,
        "lane": "sonnet",
    }


def test_a_call_that_simply_worked() -> None:
    text = told(attempts=[attempt(200, request_id="up_1")], usage=USAGE, cost_microusd=12_345)
    assert text.splitlines() == [
        "req_1 was answered (200) after 12.3 s",
        "  agent alice (team research), normal, claude-sonnet-5, streamed, lane sonnet of claude",
        "  2026-11-24 21:27:32 UTC",
        "",
        "It did not have to wait.",
        "Attempt 1: 200 after 0.50 s, provider's id up_1",
        "Input 1,150 tokens, 1,000 of it cached (estimated 1,000), output 30 (estimated 40)",
        "Cost $0.0123",
    ]


def test_waits_tell_the_limit_and_who_was_ahead() -> None:
    wait = {"from_s": 0.0, "for_s": 2.5, "position": 3, "predicted_s": 2.0}
    own = {"scope": "agent", "name": "alice", "dimension": "rpm", "ahead": ["alice"]}
    lane = {"scope": "lane", "name": "sonnet", "dimension": "itpm", "ahead": ["bob", "carol"]}
    team = {"scope": "team", "name": "red", "dimension": "concurrency", "ahead": []}
    text = told(wait_s=7.5, waits=[{**wait, **one} for one in (own, lane, team)])
    assert "Waited 7.50 s of 120 s at most:" in text
    assert "for 2.50 s: requests per minute of agent alice" in text
    assert "place 3, behind an earlier call of its own; 2.00 s were expected" in text
    assert "input tokens per minute of lane sonnet" in text
    assert "place 3, behind bob, carol" in text
    assert "calls at once of team red" in text
    assert "nobody ahead" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {
                "outcome": "refused",
                "status": 429,
                "fault": "policy",
                "reason": "agent_budget",
                "message": "The rpm limit is used up.",
                "retry_after_s": 4.2,
            },
            ["was refused (429)", "(agent_budget): The rpm limit is used up.", "after 4.20 s"],
        ),
        (
            {"outcome": "failed", "status": 529, "fault": "provider"}
            | {"attempts": [attempt(529, "overloaded", "overloaded_error")]},
            ["failed (529)", "overloaded (overloaded_error)", "The provider's doing: its answer"],
        ),
        (
            {"outcome": "failed", "status": 502, "fault": "provider", "reason": "upstream_connect"}
            | {"attempts": [attempt(0, "upstream_connect")], "message": "Not reached."},
            ["no answer after 0.50 s: no connection", "(upstream_connect): Not reached."],
        ),
        ({"outcome": "left", "status": 499, "fault": "caller"}, ["given up", "went away before"]),
        ({"outcome": "cut", "fault": "provider", "reason": "upstream_cut"}, ["was cut off (200)"]),
        (
            {"outcome": "refused", "status": 401, "agent": "", "lane": "", "fault": "caller"},
            ["nobody was recognised", "The caller's doing"],
        ),
        ({"outcome": "failed", "status": 500, "fault": "gateway"}, ["The gateway's fault"]),
        ({"usage": {**USAGE, "exact": False}}, ["our own count"]),
        ({"usage": USAGE, "priced": False}, ["no known price"]),
        ({"attempts": [attempt(200, "a verdict of tomorrow")]}, ["a verdict of tomorrow"]),
    ],
)
def test_each_end_is_told(fields: dict[str, Any], words: list[str]) -> None:
    text = told(**fields)
    for word in words:
        assert word in text


def test_a_call_that_still_waits() -> None:
    waiting = {
        "request_id": "req_1",
        "lane": "sonnet",
        "position": 2,
        "agent": "alice",
        "priority": "urgent",
        "waited_s": 3.0,
        "eta_s": 150.0,
        "bound": {"scope": "lane", "name": "sonnet", "dimension": "otpm"},
    }
    lines = list(waiting_story(waiting))
    assert lines[0] == "req_1 waits, by now for 3.00 s"
    assert lines[2].endswith("output tokens per minute of lane sonnet; 150 s more are expected")
    assert list(waiting_story({**waiting, "bound": None}))[2].startswith("  place 2;")


def test_a_pause_between_attempts_is_no_wait_for_a_turn() -> None:
    assert "Waited 1.50 s for its provider to recover." in told(wait_s=1.5)
    assert "It did not have to wait." in told(wait_s=0.01)
    held = told(wait_s=1.5, held_s=1.5, held_behind="r-1")
    assert "Held 1.50 s for the prompt cache: the answer to r-1 had to begin first" in held
    assert "Waited" not in held
    assert "Held 0.10 s for the prompt cache: others might begin alike" in told(
        wait_s=0.1, held_s=0.1, held_behind=""
    )


def test_a_call_that_went_elsewhere() -> None:
    move = {
        "from_lane": "main", "to_lane": "spare", "to_model": "m", "why": "long_wait", "moved": True,
        "at_s": 0.1, "wait_s": 40.0, "wait_microusd": 40_000, "loss_microusd": 1_200,
    }  # fmt: skip
    stayed = {**move, "moved": False, "why": "no_room"}
    refused = {**move, "why": "breaker_open", "wait_s": 0.0, "wait_microusd": 0, "loss_microusd": 0}
    text = told(moves=[move, stayed, refused])
    worth = "waiting 40.0 s is worth $0.0400, its prompt cache $0.0012"
    assert f"Left lane main for spare (m): long wait; {worth}\n" in text
    assert f"Stayed at lane main instead of spare (m): no room; {worth}\n" in text
    assert "Left lane main for spare (m): breaker open\n" in text + "\n"
