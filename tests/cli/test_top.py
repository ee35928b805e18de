"""What `gateway top` draws, and that it is drawn from a real gateway."""

from typing import Any

import pytest
from rich.console import Console

from gateway.cli.top.looking import Look
from gateway.cli.top.picture import picture
from tests.cli.conftest import Command
from tests.cli.gateway_command import Running


def limit(dimension: str, level: float, **more: Any) -> dict[str, Any]:
    full = {"limit": 100, "capacity": 100, "level": level, "spent": 0, "blocked_until": None}
    return {"dimension": dimension, **full, **more}


def lane(*limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    free: dict[str, Any] = {
        "in_flight": 2,
        "concurrency": 6,
        "waiting": {"urgent": 0, "normal": 3, "background": 1},
        "paused": False,
        "blocked_until": None,
        "saturated": {"urgent": None, "normal": None, "background": None},
    }
    return {"name": "sonnet", "limits": list(limits), **free, **more}


def agent(name: str, **more: Any) -> dict[str, Any]:
    used = {"calls": 3, "refused": 0, "cost_microusd": 1_500_000, "output_tokens": 10}
    prompt = {"input_tokens": 100, "cache_read_tokens": 300, "cache_write_tokens": 0}
    return {"agent": name, **used, **prompt, **more}


WAITING = {
    "position": 1,
    "agent": "coder",
    "priority": "normal",
    "lane": "sonnet",
    "waited_s": 4.2,
    "eta_s": 1.5,
    "bound": {"scope": "lane", "name": "sonnet", "dimension": "itpm"},
}


def look(**more: Any) -> Look:
    calm: dict[str, Any] = {
        "url": "http://gw",
        "lanes": [lane(limit("itpm", 25))],
        "queue": [WAITING],
        "waiting": 1,
        "agents": [agent("coder")],
        "past": ((0.0, {}),),
    }
    return Look(**{**calm, **more})


def drawn(seen: Look, *, width: int = 110, height: int | None = None, fault: str = "") -> str:
    console = Console(width=width, record=True, file=None, no_color=True)
    with console.capture() as captured:
        console.print(picture(seen, width, height, fault or None))
    return captured.get()


def test_the_first_line_sums_it_up() -> None:
    first = drawn(look()).splitlines()[0]
    assert first.strip() == "agent-gateway http://gw   2 in flight, 1 waiting, $1.50 today"


def test_a_lane_shows_what_is_used_of_each_limit() -> None:
    text = drawn(look(lanes=[lane(limit("rpm", 100), limit("itpm", 25))]))
    rpm = next(line for line in text.splitlines() if " rpm " in line)
    itpm = next(line for line in text.splitlines() if " itpm " in line and "%" in line)
    assert "0%" in rpm
    assert "2/6" in rpm
    assert "0/3/1" in rpm
    assert "75%" in itpm
    assert "█" * 15 in itpm


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, "open"),
        ({"paused": True}, "paused"),
        ({"blocked_until": "2026-11-25T10:11:12Z"}, "blocked until 10:11:12Z"),
        ({"saturated": {"urgent": None, "normal": None, "background": "itpm"}}, "holds back back"),
    ],
)
def test_a_lane_says_in_which_state_it_is(state: dict[str, Any], expected: str) -> None:
    assert expected in drawn(look(lanes=[lane(limit("itpm", 25), **state)]))


def test_a_block_of_one_dimension_names_it() -> None:
    blocked = limit("otpm", 50, blocked_until="2026-11-25T10:11:12Z")
    assert "provider said wait (otpm)" in drawn(look(lanes=[lane(limit("itpm", 25), blocked)]))


def test_a_lane_of_which_no_limit_is_known_is_no_fault() -> None:
    text = drawn(look(lanes=[lane({**limit("itpm", 0), "limit": None})]))
    assert "none known yet" in text


def test_a_waiting_call_says_what_it_waits_for() -> None:
    line = next(one for one in drawn(look()).splitlines() if "4.20 s" in one)
    assert line.split()[:2] == ["1", "coder"]
    assert "the lane's itpm" in line


def test_paces_are_of_the_last_minute_and_rank_the_agents() -> None:
    before = {("coder",): 100, ("tester",): 100, ("sonnet", "itpm"): 1000}
    now = {("coder",): 110, ("tester",): 400, ("sonnet", "itpm"): 1600}
    seen = look(agents=[agent("coder"), agent("tester")], past=((10.0, before), (40.0, now)))
    lines = drawn(seen).splitlines()
    agents = [line.split()[:2] for line in lines if line.startswith(("coder ", "tester "))]
    assert agents == [["tester", "600"], ["coder", "20"]]
    assert "1,200" in next(line for line in lines if line.startswith("sonnet"))


def test_what_has_no_room_is_counted() -> None:
    many = look(
        agents=[agent(f"agent-{n}") for n in range(40)],
        queue=[{**WAITING, "position": n + 1} for n in range(30)],
        waiting=300,
    )
    text = drawn(many, height=30)
    assert len(text.splitlines()) <= 30
    assert "more" in text
    assert len(drawn(many).splitlines()) > 70


def test_an_old_picture_says_why_it_is_old() -> None:
    assert "no gateway answers" in drawn(look(), fault="no gateway answers at http://gw")


def test_it_is_drawn_once_where_there_is_no_terminal(
    command: Command, served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(served.folder)
    told = command("top")
    assert told.code == 0, told.err
    assert told.out.startswith(f"agent-gateway {served.url}")
    assert set(command("top", "--json").json) == {"lanes", "queue", "agents"}
