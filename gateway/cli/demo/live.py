"""What is shown while a fleet works: a live table on a terminal, a line now and then elsewhere."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.domain.call import Dialect, Priority
from gateway.wiring.clock import SystemClock

from .calling import SDKS
from .figures import Period, shares, tallies
from .fleet import LIMITS, MINUTE_S
from .provider_side import ProviderSide
from .running import Attempted, Run

PRIORITY_STYLES = {Priority.URGENT: "bold", Priority.NORMAL: "", Priority.BACKGROUND: "dim"}
_LINE_EVERY_S = 5.0
_BAR_CELLS = 30


class Display(Protocol):
    """Shows a run."""

    def say(self, text: str) -> None:
        """Tell what goes on between runs."""

    def showing(self, run: Run, provider: ProviderSide) -> AbstractContextManager[None]:
        """A context in which the run is shown."""

    def refresh(self) -> None:
        """Show what is known by now."""


def display_for(*, as_json: bool) -> Display:
    """A live table if a person is looking, else lines; beside JSON, on standard error."""
    console = Console(stderr=as_json)
    return LiveTable(console) if console.is_terminal else Lines(console)


class _Shown:
    """The run that is shown, and its time."""

    def __init__(self, run: Run, provider: ProviderSide) -> None:
        self.run = run
        self.provider = provider
        self.began_s = provider.now_s

    @property
    def passed_s(self) -> float:
        """How long the run has taken so far."""
        return self.provider.now_s - self.began_s

    def saturation(self, dialect: Dialect) -> tuple[str, float]:
        """The limit of a provider that is used most, and its share so far."""
        period = Period(self.began_s, self.provider.now_s)
        records = [one for one in self.provider.records if one.dialect == dialect]
        found = shares(records, LIMITS[dialect], period, MINUTE_S)
        name = max(found, key=lambda name: found[name])
        return name, found[name]


class LiveTable:
    """Redraws a table."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._shown: _Shown | None = None

    def say(self, text: str) -> None:
        """Tell what goes on between runs."""
        self._console.print(text, style="dim", highlight=False)

    @contextmanager
    def showing(self, run: Run, provider: ProviderSide) -> Iterator[None]:
        """A context in which the run is shown."""
        self._shown = _Shown(run, provider)
        with Live(console=self._console, auto_refresh=False) as live:
            self._live = live
            yield
            self.refresh()
        self._live = None

    def refresh(self) -> None:
        """Show what is known by now."""
        if self._live is not None and self._shown is not None:
            self._live.update(_picture(self._shown), refresh=True)


class Lines:
    """Prints a line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: _Shown | None = None
        self._next_s = 0.0

    @contextmanager
    def showing(self, run: Run, provider: ProviderSide) -> Iterator[None]:
        """A context in which the run is shown."""
        self._shown = _Shown(run, provider)
        self._next_s = _LINE_EVERY_S
        self.say(f"{run.title}: {len(run.members)} agents, {run.seconds:g} s")
        yield

    def refresh(self) -> None:
        """Print a line if it is time."""
        shown = self._shown
        if shown is None or shown.passed_s < self._next_s:
            return
        self._next_s += _LINE_EVERY_S
        found = tallies(shown.run, shown.provider.records).values()
        self.say(
            f"  {shown.passed_s:4.1f} s: {sum(one.answered for one in found)} answered, "
            f"{sum(one.rate_limited for one in found)} provider 429s, "
            f"{sum(one.failed for one in found)} failed"
        )

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, soft_wrap=True)


def _picture(shown: _Shown) -> Group:
    run, now = shown.run, SystemClock.wall()
    passed_s = min(run.seconds, shown.passed_s)
    table = Table(
        title=f"{run.title}   {passed_s:.1f} of {run.seconds:g} s", title_justify="left",
        title_style="bold",
    )  # fmt: skip
    for name in ("agent", "SDK", "priority"):
        table.add_column(name)
    for name in ("answered", "open", "longest open", "tokens", "429s", "failed"):
        table.add_column(name, justify="right")
    found = tallies(run, shown.provider.records)
    open_calls = _open_calls(run)
    for member in run.members:
        tally, mine = found[member.name], open_calls[member.name]
        longest_s = max((now - one.began for one in mine), default=0.0)
        table.add_row(
            member.name,
            SDKS[member.dialect],
            Text(member.priority.value, PRIORITY_STYLES[member.priority]),
            str(tally.answered),
            str(len(mine)) if mine else "",
            f"{longest_s:.1f} s" if mine else "",
            f"{tally.tokens:,}",
            _alarm(tally.rate_limited, "yellow"),
            _alarm(tally.failed, "red"),
        )
    count = sum(len(mine) for mine in open_calls.values())
    at_work = min(count, shown.provider.in_flight)
    waiting = Text(f"{at_work} calls at the providers, {count - at_work} waiting")
    return Group(table, *(_bar(shown, dialect) for dialect in LIMITS), waiting)


def _open_calls(run: Run) -> dict[str, list[Attempted]]:
    found: dict[str, list[Attempted]] = {one.name: [] for one in run.members}
    for one in run.attempted:
        if one.end is None:
            found[one.task.member.name].append(one)
    return found


def _alarm(count: int, style: str) -> Text:
    return Text(str(count), f"bold {style}") if count else Text("")


def _bar(shown: _Shown, dialect: Dialect) -> Text:
    name, used = shown.saturation(dialect)
    full = min(_BAR_CELLS, round(used * _BAR_CELLS))
    return Text.assemble(
        f"{dialect.value:<10}{name:<6}",
        ("━" * full, "green"),
        ("━" * (_BAR_CELLS - full), "dim"),
        f" {used:4.0%} of what the limit has allowed so far",
    )
