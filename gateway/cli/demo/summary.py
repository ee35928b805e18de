"""Both runs side by side, as tables or as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.domain.call import Priority

from .calling import SDKS
from .figures import Figures, Spending, binding, quantile
from .fleet import LIMITS, MINUTE_S, Member
from .live import PRIORITY_STYLES
from .routing import COMPLEX, SIMPLE, Decided, saved_share
from .running import End

_PLAIN_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo found.

    Attributes:
        seconds: Length of each run.
        decided: What a policy made of each call of the assistant.
    """

    members: tuple[Member, ...]
    seconds: float
    straight: Figures
    through: Figures
    spending: Spending
    decided: tuple[Decided, ...] = ()

    @property
    def runs(self) -> tuple[Figures, Figures]:
        """Both."""
        return self.straight, self.through


def print_summary(outcome: Outcome) -> None:
    """Print it on standard output; plain if that is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    console.print()
    console.print(_side_by_side(outcome, plain=not console.is_terminal))
    console.print(_by_agent(outcome, plain=not console.is_terminal))
    console.print(
        f"{len(outcome.members)} agents, {outcome.seconds:g} s each way; the providers' minute is "
        f"shortened to {MINUTE_S:g} s (the SDKs' own pauses are not). Counted by the simulated "
        "providers; cost at list price, from the gateway's metrics. A wait is the time from the "
        "agent's call until the provider took it, of answered calls. Shares are of all that a limit "
        "allowed; the gateway keeps some of each bucket free for urgent calls.",
        style="dim",
        highlight=False,
    )
    console.print()
    console.print(_routed(outcome.decided, plain=not console.is_terminal))
    console.print(
        f"An assistant asked for `auto`: {COMPLEX} for what is complex, {SIMPLE} for what is simple. "
        f"Routing saved {saved_share(outcome.decided):.0%} against {COMPLEX} with its cache for "
        "every call. Ask `gateway routes explain REQUEST_ID` for one call.",
        style="dim",
        highlight=False,
    )


def _table(title: str, *, plain: bool) -> Table:
    style = box.ASCII2 if plain else box.ROUNDED
    return Table(title=title, title_justify="left", title_style="bold", box=style)


def _side_by_side(outcome: Outcome, *, plain: bool) -> Table:
    table = _table("The same fleet, both ways", plain=plain)
    table.add_column("")
    table.add_column("straight", justify="right")
    table.add_column("through the gateway", justify="right")
    straight, through = outcome.runs
    table.add_row("provider 429s", _bad(straight.rate_limited), _bad(through.rate_limited))
    failed = [one.count(End.FAILED) for one in outcome.runs]
    table.add_row("failed calls", *(_bad(count) for count in failed))
    table.add_row("requests wasted", *(_bad(one.wasted) for one in outcome.runs))
    table.add_row("answered calls", *(f"{one.count(End.ANSWERED):,}" for one in outcome.runs))
    table.add_row("useful tokens", *(f"{one.tokens:,}" for one in outcome.runs))
    for dialect in LIMITS:
        name = binding(outcome.runs, dialect)
        shown = [f"{one.shares[dialect][name]:.1%}" for one in outcome.runs]
        table.add_row(f"  share of {dialect.value}'s {name} limit", *shown)
    table.add_section()
    for priority in Priority:
        cells = [_waits(one.waits[priority]) for one in outcome.runs]
        table.add_row(f"wait p50 / p95, {priority.value}", *cells)
    return table


def _by_agent(outcome: Outcome, *, plain: bool) -> Table:
    table = _table("By agent", plain=plain)
    for name in ("agent", "SDK", "priority"):
        table.add_column(
            name, no_wrap=True, min_width=len("google-genai") if name == "SDK" else None
        )
    for name in ("straight: failed", "tokens", "gateway: failed", "tokens ", "cost", "budget tpm"):
        table.add_column(name, justify="right")
    for member in outcome.members:
        before, after = (one.agents[member.name] for one in outcome.runs)
        cost = outcome.spending.cost_usd.get(member.name, 0.0)
        table.add_row(
            member.name,
            SDKS[member.dialect],
            Text(member.priority.value, PRIORITY_STYLES[member.priority]),
            _bad(before.failed),
            f"{before.tokens:,}",
            _bad(after.failed),
            f"{after.tokens:,}",
            f"${cost:.4f}",
            f"{member.budget.tpm:,}" if member.budget.tpm else "",
        )
    return table


def _routed(decided: Sequence[Decided], *, plain: bool) -> Table:
    table = _table("Routed by a policy", plain=plain)
    for name in ("call", "answered by", "why"):
        table.add_column(name)
    for name in ("cost", "if it stayed"):
        table.add_column(name, justify="right")
    for one in decided:
        table.add_row(one.about, one.model, one.why, _cents(one.cost), _cents(one.stay))
    table.add_section()
    total, stay = sum(one.cost for one in decided), sum(one.stay for one in decided)
    table.add_row("together", "", "", _cents(total), _cents(stay))
    return table


def _cents(microusd: int) -> str:
    return f"{microusd / 10_000:.3f} ¢"


def _bad(count: int) -> Text:
    return Text(f"{count:,}", "bold red" if count else "green")


def _waits(ascending: Sequence[float]) -> str:
    p50, p95 = quantile(ascending, 0.5), quantile(ascending, 0.95)
    return "no calls" if p50 is None or p95 is None else f"{p50:.2f} s / {p95:.2f} s"


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """The same as data for JSON."""
    return {
        "seconds": outcome.seconds,
        "minute_s": MINUTE_S,
        "limits": {
            dialect.value: {"binding": binding(outcome.runs, dialect)} for dialect in LIMITS
        },
        "straight": _plain(outcome.straight),
        "gateway": _plain(outcome.through),
        "routing": _plain_routing(outcome.decided),
        "agents": {
            member.name: {
                "sdk": SDKS[member.dialect],
                "priority": member.priority.value,
                "budget_tpm": member.budget.tpm,
                "straight": _plain_tally(outcome.straight, member.name),
                "gateway": _plain_tally(outcome.through, member.name),
                "metered_tokens": outcome.spending.tokens.get(member.name, 0),
                "cost_usd": round(outcome.spending.cost_usd.get(member.name, 0.0), 6),
            }
            for member in outcome.members
        },
    }


def _plain_routing(decided: Sequence[Decided]) -> dict[str, Any]:
    return {
        "complex": COMPLEX,
        "simple": SIMPLE,
        "saved_share": round(saved_share(decided), 4),
        "calls": [
            {
                "call": one.about,
                "answered_by": one.model,
                "why": one.why,
                "cost_microusd": one.cost,
                "stay_microusd": one.stay,
            }
            for one in decided
        ],
    }


def _plain(run: Figures) -> dict[str, Any]:
    return {
        "provider_429s": run.rate_limited,
        "failed_calls": run.count(End.FAILED),
        "answered_calls": run.count(End.ANSWERED),
        "unfinished_calls": run.count(End.UNFINISHED),
        "wasted_requests": run.wasted,
        "useful_tokens": run.tokens,
        "limit_shares": {
            dialect.value: {name: round(used, 4) for name, used in shares.items()}
            for dialect, shares in run.shares.items()
        },
        "wait_s": {
            priority.value: {"p50": quantile(some, 0.5), "p95": quantile(some, 0.95)}
            for priority, some in run.waits.items()
        },
    }


def _plain_tally(run: Figures, agent: str) -> dict[str, int]:
    tally = run.agents[agent]
    return {
        "answered": tally.answered,
        "failed": tally.failed,
        "unfinished": tally.unfinished,
        "tokens": tally.tokens,
        "provider_429s": tally.rate_limited,
    }
