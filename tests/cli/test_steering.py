"""Everything that the admin API can do, from the command line, at one real gateway."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.conftest import Command
from tests.cli.gateway_command import Running, running
from tests.fixtures.valkey import short_directory

_LIMIT_S = 10.0
KEY = "the-key-of-alice"
CONFIGURATION = """
listen: 127.0.0.1:0
providers: {claude: {dialect: anthropic, base_url: "http://127.0.0.1:1", api_key: none}}
lanes: {slow: {provider: claude, models: ["claude-sonnet-*"], limits: {rpm: 50, itpm: 90000}}}
teams: {research: {budget: {tpm: 60000}}}
agents:
  alice: {key: the-key-of-alice}
  reviewer: {team: research, budget: {tpm: 16000, rpm: 20, usd_per_day: 20}}
  tester: {team: research, priority: background, budget: {tpm: 8000}}
logging: {access_log: false}
"""
BODY = {
    "model": "claude-sonnet-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Say something. [[output=10]]"}],
}


@pytest.fixture(scope="module")
def steered() -> Iterator[Running]:
    """A gateway before simulated providers that answer at once."""
    with short_directory() as path:
        (path / "gateway.yaml").write_text(CONFIGURATION, encoding="utf-8")
        with running("serve", "--simulate", folder=path) as gateway:
            at_once = {"ttft_s": 0, "tokens_per_s": 0}
            httpx2.put(f"{gateway.ready['simulator']}/_sim/settings", json=at_once, trust_env=False)
            yield gateway


@pytest.fixture
def gw(command: Command, steered: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """The command in the folder of that gateway, which is afterwards as its file says."""
    monkeypatch.chdir(steered.folder)
    yield command
    command("config", "reset", "--all", "--yes")


def cells(text: str) -> dict[str, list[str]]:
    """Lines of a table by their first cell."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


@pytest.mark.parametrize(
    ("noun", "options", "changes"),
    [
        (
            "agents reviewer",
            "--tpm 40k --rpm none --usd-per-day $2.50 --mode soft",
            {
                "budget.tpm": ("16000", "40000"),
                "budget.rpm": ("20", "-"),
                "budget.usd_per_day": ("20", "2.5"),
                "budget.mode": ("hard", "soft"),
            },
        ),
        (
            "agents tester",
            "--priority urgent --weight 2 --team none",
            {
                "priority": ("background", "urgent"),
                "weight": ("1", "2"),
                "team": ("research", "-"),
            },
        ),
        (
            "agents alice",
            "--team research --model claude-*",
            {"team": ("-", "research"), "models": ("[*]", "[claude-*]")},
        ),
        (
            "teams research",
            "--concurrency 3 --usd-per-month 900",
            {"budget.concurrency": ("-", "3"), "budget.usd_per_month": ("-", "900")},
        ),
        (
            "lanes slow",
            "--itpm 0.1M --otpm 20k --set floors.normal=0.1 --set margin=5%",
            {
                "margin": ("0.01", "0.05"),
                "limits.itpm": ("90000", "100000"),
                "limits.otpm": ("-", "20000"),
                "floors.normal": ("0.05", "0.1"),
            },
        ),
        ("providers claude", "--set timeouts.connect=2s", {"timeouts.connect": ("10", "2")}),
    ],
)
def test_what_is_set_acts_is_shown_with_its_origin_and_can_be_reset(
    gw: Command, noun: str, options: str, changes: dict[str, tuple[str, str]]
) -> None:
    collection, name = noun.split()
    expected = {setting: list(values) for setting, values in changes.items()}
    looked = gw(collection, "set", name, *options.split(), "--dry-run")
    assert (looked.code, cells(looked.out)) == (0, {"SETTING": ["BEFORE", "NOW"]} | expected)
    assert gw("config", "overrides").err.startswith("Nothing was changed")

    done = gw(collection, "set", name, *options.split())
    assert (done.code, done.out) == (0, looked.out)
    found = gw(collection, "show", name, "--json").json
    origins = found.get("configuration", found)["origins"]
    shown = cells(gw("config", "show", f"{collection}.{name}").out)
    for setting, (_, after) in changes.items():
        assert origins[setting] == {"origin": "runtime", "source": "runtime (admin)"}
        assert shown[f"{collection}.{name}.{setting}"] == [after, "runtime", "(admin)"]
    again = gw(collection, "set", name, *options.split())
    assert (again.out, "is so already" in again.err) == ("", True)

    reset = gw(collection, "reset", name, "--yes")
    assert (reset.code, "is as the file has it" in reset.out) == (0, True)
    assert gw("config", "overrides", "--json").json == []


def test_all_of_an_agent_is_set_at_once_and_one_that_is_new_is_made(gw: Command) -> None:
    options = "--tpm 40k --rpm 20 --usd-per-day 20 --priority urgent --weight 2 --mode hard"
    made = gw("agents", "set", "newcomer", *options.split(), "--team", "research")
    assert (made.code, "newcomer is new" in made.err) == (0, True)
    found = gw("agents", "newcomer", "--json").json
    assert (found["budget"]["tpm"], found["priority"], found["weight"]) == (40000, "urgent", 2)
    deleted = gw("agents", "delete", "newcomer", "--yes", "--json")
    assert deleted.json == {"deleted": "agents/newcomer"}
    assert "newcomer" not in gw("agents").out
    gone = gw("agents", "show", "nobody")
    assert (gone.code, "there is no agent nobody" in gone.err) == (1, True)


def test_lists_show_use_limits_and_origins_and_can_be_narrowed(gw: Command) -> None:
    gw("agents", "set", "reviewer", "--tpm", "30000")
    lines = gw("agents").out.splitlines()
    assert lines[0].split()[:6] == ["AGENT", "TEAM", "PRIORITY", "WEIGHT", "RPM", "TPM"]
    assert cells("\n".join(lines))["reviewer"][3:5] == ["0/20", "0/30,000"]
    assert "runtime (tpm)" in next(line for line in lines if line.startswith("reviewer"))
    for narrowing in (("--team", "research"), ("*er",)):
        found = gw("agents", "list", *narrowing, "--json").json
        assert [one["name"] for one in found] == ["reviewer", "tester"]
    assert cells(gw("teams").out)["research"][:1] == ["2"]
    assert gw("teams", "research").out.startswith("research: reviewer, tester\n")
    assert cells(gw("providers").out)["claude"][0] == "anthropic"
    assert "gateway.yaml:" in gw("lanes", "slow").out
    one = gw("agents", "reviewer").out
    assert "runtime (admin)" in next(line for line in one.splitlines() if line.startswith("tpm"))


def test_a_budget_is_raised_for_a_time_and_ended(gw: Command) -> None:
    made = gw("agents", "raise", "reviewer", "--tpm", "40k", "--for", "2h", "--json").json
    assert (made["state"], made["agents"]) == ("holds", ["reviewer"])
    listed = gw("agents", "temporary")
    assert made["id"] in listed.out
    assert "tpm 40000" in listed.out
    line = next(one for one in gw("agents", "reviewer").out.splitlines() if one.startswith("tpm"))
    assert line.split()[1] == "40,000"
    assert f"temporary ({made['id']})" in line
    assert gw("teams", "end", made["id"]).out == f"{made['id']} has ended.\n"
    assert gw("agents", "reviewer", "--json").json["budget"]["tpm"] == 16000
    assert made["id"] not in gw("agents", "temporary").out


def test_budgets_can_wait_for_their_time_or_for_nights(gw: Command) -> None:
    night = ("--weekly", "22:00-6:00", "--days", "fri-mon", "--zone", "Europe/Zurich")
    made = gw(
        "agents", "raise", "--priority", "background", "--factor", "tpm=3", *night, "--json"
    ).json
    assert made["weekly"] == {
        "begins": "22:00",
        "ends": "06:00",
        "days": ["mon", "fri", "sat", "sun"],
        "time_zone": "Europe/Zurich",
    }
    later = gw("teams", "raise", "research", "--tpm", "90k", "--from", "1h", "--until", "2h")
    assert (later.code, "waits" in later.out, "team research" in later.out) == (0, True, True)
    looked = gw("agents", "raise", "*", "--rpm", "9", "--for", "1h", "--dry-run")
    assert "A dry run" in looked.err
    every = gw("agents", "temporary", "--json").json
    assert len(every) == 2
    for one in every:
        assert gw("agents", "end", one["id"]).code == 0


def test_many_budgets_are_adjusted_at_once_after_a_look(gw: Command) -> None:
    wish = ("agents", "adjust", "--team", "research", "--factor", "1.5")
    looked = gw(*wish, "--dry-run")
    assert looked.out.splitlines()[1].split() == ["agents/reviewer", "rpm", "20", "30"]
    assert gw("config", "overrides", "--json").json == []
    asked = gw(*wish)
    assert (asked.code, "Change 2 budgets?" in asked.err) == (2, True)
    assert gw(*wish, "--yes").err == "2 changed.\n"
    assert gw("agents", "tester", "--json").json["budget"]["tpm"] == 12000
    team = gw("teams", "adjust", "*", "--factor", "tpm=0.5", "--yes", "--json").json
    assert team["changed"][0]["after"]["tpm"] == 30000


def test_a_lane_is_paused_blocked_and_let_go(gw: Command) -> None:
    assert gw("lanes", "pause", "slow").out == "slow is paused.\n"
    assert gw("lanes", "slow", "--json").json["paused"]
    assert gw("lanes", "resume", "slow", "--dry-run").out == "slow is paused.\n"
    assert gw("lanes", "resume", "slow").out == "slow is open.\n"
    assert (
        "blocked: itpm until" in gw("lanes", "block", "slow", "--for", "9m", "--limit", "itpm").out
    )
    assert "blocked: until" in gw("lanes", "block", "slow", "--for", "9m").out
    assert gw("lanes", "unblock", "slow").out == "slow is open.\n"


async def test_waiting_calls_are_moved_cancelled_and_drained(gw: Command, steered: Running) -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "x-gateway-max-wait": "7200"}
    gw("lanes", "pause", "slow")
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as client:
        url = f"{steered.url}/v1/messages"
        calls = [
            asyncio.ensure_future(client.post(url, json=BODY, headers=headers)) for _ in range(4)
        ]
        waiting: list[Any] = []
        async with asyncio.timeout(_LIMIT_S):
            while len(waiting) != 4:
                waiting = (await asyncio.to_thread(gw, "queue", "--json")).json
        first, _, _, last = (one["request_id"] for one in waiting)
        gone, moved, refused, looked, drained = await asyncio.to_thread(
            lambda: (
                gw("queue", "move", "req_nobody", "--priority", "urgent"),
                gw("queue", "move", last, "--priority", "urgent"),
                gw("queue", "cancel", first, "--yes"),
                gw("queue", "drain", "--lane", "slow", "--dry-run", "--json"),
                gw("queue", "drain", "--agent", "alice", "--retry-after", "9s", "--yes"),
            )
        )
        answers = await asyncio.gather(*calls)
    assert (gone.code, "No call 'req_nobody' is waiting" in gone.err) == (1, True)
    assert moved.out == f"{last} is urgent, place 1 of slow.\n"
    assert refused.out == f"{first} is refused.\n"
    assert looked.json["refused"] == 3
    assert drained.out == "3 waiting calls are refused.\n"
    told = sorted((one.status_code, one.headers.get("retry-after")) for one in answers)
    assert told == [(403, None), *[(503, "9")] * 3]
    gw("lanes", "resume", "slow")


@pytest.mark.parametrize(
    "arguments",
    [
        "agents delete reviewer",
        "agents reset reviewer",
        "teams delete research",
        "lanes delete slow",
        "providers reset claude",
        "queue cancel req_1",
        "queue drain --lane slow",
        "tokens revoke abc",
        "config reset --all",
        "agents adjust * --factor 2",
    ],
)
def test_what_cannot_be_undone_wants_a_terminal_or_a_yes(gw: Command, arguments: str) -> None:
    told = gw(*arguments.split())
    assert (told.code, "add --yes" in told.err) == (2, True)
    assert gw("agents", "reviewer", "--json").json["configured"]


def test_keys_are_made_and_ended_through_the_admin_api(
    gw: Command, steered: Running, command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Path(steered.ready["admin_token"]).read_text(encoding="ascii").strip()
    monkeypatch.chdir(folder)  # its store cannot be reached from here

    def keys(*arguments: str) -> Any:
        told = command(
            "keys", *arguments, "--url", steered.url, "--json", env={"GATEWAY_ADMIN_TOKEN": token}
        )
        assert told.code == 0, told.err
        return told.json

    made = keys("create", "carol", "--expires", "30d")
    assert made["key"].startswith(f"gw-{made['id']}-")
    rotated = keys("rotate", made["key"], "--overlap", "1h")
    assert (rotated["agent"], rotated["expires"]) == ("carol", None)
    assert keys("expire", rotated["id"], "--in", "2h")["expires"] is not None
    assert keys("revoke", rotated["id"], "--dry-run")["state"] == "active"
    assert keys("revoke", rotated["id"])["state"] == "revoked"
    states = {one["id"]: one["state"] for one in keys("list") if one["agent"] == "carol"}
    assert states == {made["id"]: "active", rotated["id"]: "revoked"}
    assert not (folder / "var" / "valkey").exists()

    monkeypatch.chdir(steered.folder)
    here = {one["id"]: one for one in gw("keys", "--json").json}
    there = {one["id"]: one for one in keys("list")}
    assert here == there
    gw("keys", "revoke", made["id"])
    entry = gw("audit", f"keys/{made['id']}", "--action", "keys.revoke", "--json").json[-1]
    assert entry["actor"].startswith("cli:")
    assert entry["after"]["revoked_at"] is not None


def test_a_token_may_do_what_its_role_says_until_it_is_revoked(gw: Command) -> None:
    made = gw("tokens", "create", "night-shift", "--role", "operator", "--expires", "12h")
    assert "operator" in made.err
    theirs = {"GATEWAY_ADMIN_TOKEN": made.out.strip()}
    token_id = made.out.split("-")[1]
    assert token_id in gw("tokens").out
    assert gw("lanes", "pause", "slow", env=theirs).code == 0
    assert gw("lanes", "resume", "slow", env=theirs).code == 0
    denied = gw("tokens", "list", env=theirs)
    assert (denied.code, "yours has the role operator" in denied.err) == (1, True)
    (paused, resumed) = gw("audit", "--actor", "night-shift", "--json").json
    assert [paused["action"], resumed["action"]] == ["lanes.pause", "lanes.resume"]
    assert gw("tokens", "revoke", token_id, "--yes").out == f"{token_id} is revoked.\n"
    assert gw("lanes", env=theirs).code == 1


def test_the_audit_is_listed_narrowed_exported_and_followed(
    gw: Command, steered: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    gw("agents", "set", "reviewer", "--rpm", "33")
    gw("agents", "set", "tester", "--rpm", "34")
    (one,) = gw("audit", "agents/tester", "--since", "1h", "--limit", "1", "--json").json
    assert (one["action"], one["after"]["budget"]["rpm"]) == ("agents.patch", 34)
    line = gw("audit", "list", "--request", one["request_id"]).out.splitlines()[1]
    assert "agents/tester  budget.rpm - -> 34" in line
    assert gw("audit", "--until", "1h").err == "Nothing of that kind was changed.\n"

    gw("audit", "agents", "--export", "out.jsonl")
    lines = (steered.folder / "out.jsonl").read_text().splitlines()
    assert json.loads(lines[-1]) == one
    here = gw("audit", "agents", "--export", "-").out.splitlines()
    assert here == lines

    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            raise KeyboardInterrupt
        api_says = gw_quiet("agents", "set", "tester", "--rpm", "35")
        assert api_says == 0

    def gw_quiet(*arguments: str) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["gateway", *arguments])
            from gateway.cli.main import main  # noqa: PLC0415 - main is running around this

            try:
                return int(main())
            except SystemExit as exit_:
                return int(exit_.code or 0)

    monkeypatch.setattr("gateway.cli.audit.time.sleep", pause)
    followed = gw("audit", "agents/tester", "--limit", "1", "--follow")
    assert followed.code == 130
    assert [line for line in followed.out.splitlines() if "agents.patch" in line][-1].count("35")


def test_the_configuration_is_shown_reloaded_and_reset(gw: Command, steered: Running) -> None:
    shown = gw("config", "agents.reviewer", "--changed").out
    assert cells(shown)["agents.reviewer.budget.tpm"] == ["16000", "gateway.yaml:8"]
    assert "weight" not in shown
    assert gw("config", "show", "lanes.slow", "--json").json["limits"]["rpm"]["value"] == 50
    for nothing in ("nonsense", "lanes.slow.nonsense", "lanes.slow.models.more"):
        assert gw("config", "show", nothing).code == 1
    gw("agents", "set", "with.points", "--weight", "3")
    assert gw("config", "agents.with.points.weight", "--json").json["value"] == 3
    gw("agents", "reset", "with.points", "--yes")

    gw("lanes", "set", "slow", "--rpm", "44")
    gw("lanes", "delete", "slow", "--yes", "--dry-run")
    listed = gw("config", "overrides").out.splitlines()
    assert listed[1].split()[:2] == ["lanes/slow", "limits.rpm"]
    assert gw("config", "reset", "lanes/slow", "--dry-run", "--json").json == {
        "reset": ["lanes/slow"]
    }
    assert gw("config", "reset", "lanes/slow", "--yes").code == 0
    assert gw("lanes", "slow", "--json").json["limits"][0]["limit"] == 50
    assert gw("config", "reset", "lanes/slow", "--yes").code == 1
    assert gw("config", "reset", "slow", "--yes").code == 2
    assert gw("config", "reset").code == 2


def test_a_credential_never_stands_on_the_command_line_and_is_never_shown(
    gw: Command, steered: Running
) -> None:
    assert gw("providers", "set", "claude", "--api-key", "sk-ant-secret").code == 2
    file = steered.folder / "new-key"
    file.write_text("sk-ant-secret\n")
    told = gw("providers", "set", "claude", "--api-key-file", str(file))
    assert (told.code, "is replaced" in told.err) == (0, True)
    everything = told.out + gw("providers", "show", "claude").out + gw("audit", "providers").out
    assert "sk-ant" not in everything
    assert "********" in everything


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("agents set reviewer", 2, "say what to set"),
        ("agents set reviewer --tpm lots", 2, "is no limit"),
        ("agents set reviewer --weight -1", 2, "agents.reviewer.weight"),
        ("agents set reviewer --set budget.tmp=1", 2, "Did you mean tpm?"),
        ("agents set reviewer --team nowhere", 2, "there is no team nowhere"),
        ("agents raise reviewer --tpm 1k", 2, "say how long"),
        ("agents raise reviewer --for 1h", 2, "say what becomes of the budget"),
        ("agents raise --tpm 1k --for 1h", 2, "say whose"),
        ("agents raise nobody --tpm 1k --for 1h", 1, "no agent and no team is meant"),
        ("agents adjust * --factor tpd=2", 2, "is no factor"),
        ("agents end 0badbad0", 1, "There is no temporary budget"),
        ("agents delete nobody --yes", 1, "There is no agent 'nobody'"),
        ("lanes pause nowhere", 1, "There is no lane 'nowhere'"),
        ("lanes set nowhere --rpm 5", 2, "lanes.nowhere.provider"),
        ("teams delete research --yes", 1, "agents.reviewer.team"),
        ("queue drain", 2, "say what to drain"),
        ("keys expire nonsense --in 1h --url URL", 1, "There is no key 'nonsense'"),
        ("tokens revoke nonsense --yes", 1, "There is no token"),
    ],
)
def test_faults_say_what_is_wrong_and_exit_as_documented(
    gw: Command, steered: Running, arguments: str, code: int, says: str
) -> None:
    told = gw(*arguments.replace("URL", steered.url).split())
    assert (told.code, told.out) == (code, "")
    assert says in " ".join(told.err.replace("│", " ").split())
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gateway lanes pause s", ["slow"]),
        ("gateway agents show re", ["reviewer"]),
        ("gateway agents re", ["reset", "reviewer"]),
        ("gateway agents set reviewer --team r", ["research"]),
        ("gateway lanes list --ur", ["--url"]),
        ("gateway audit --exp", ["--export"]),
    ],
)
def test_the_shell_completes_verbs_options_and_names(
    gw: Command, words: str, expected: list[str]
) -> None:
    completing = {
        "_GATEWAY_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    assert gw(env=completing).out.split() == expected


def test_nothing_is_completed_and_nothing_is_said_where_no_gateway_runs(command: Command) -> None:
    completing = {
        "_GATEWAY_COMPLETE": "complete_bash",
        "COMP_WORDS": "gateway lanes pause s",
        "COMP_CWORD": "3",
        "GATEWAY_URL": "http://127.0.0.1:9",
        "GATEWAY_ADMIN_TOKEN": "some-token",
    }
    told = command(env=completing)
    assert (told.out.strip(), told.err) == ("", "")
