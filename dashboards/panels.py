"""What a dashboard is made of, as plain values; `grafana.py` turns them into Grafana's JSON."""

from dataclasses import dataclass
from enum import Enum


class Look(Enum):
    """How a panel draws its data."""

    LINES = "lines"
    STACK = "stack"
    NUMBER = "number"
    BARS = "bars"
    STATES = "states"
    TABLE = "table"


class Unit(Enum):
    """Grafana's names of the units in use."""

    COUNT = "short"
    PER_SECOND = "ops"
    PER_MINUTE = "opm"
    SECONDS = "s"
    SHARE = "percentunit"
    DOLLARS = "currencyUSD"
    TOKENS = "locale"
    BYTES = "bytes"
    STATE = "none"


@dataclass(frozen=True, slots=True)
class Levels:
    """From where on a value is worth a look, and from where on something must be done.

    Attributes:
        warn: Yellow from here.
        act: Red from here.
        low: The other way round: below is bad.
    """

    warn: float
    act: float
    low: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the name of its series."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        description: What it shows, and what to do when it looks bad.
        levels: `None` where no value is good or bad in itself: a single neutral step.
        quiet: Its queries may return nothing on a healthy gateway (failures, open breakers).
        width: Of the 24 columns.
    """

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    look: Look = Look.LINES
    levels: Levels | None = None
    quiet: bool = False
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard.

    Attributes:
        uid: In its address, and the name of its file.
        variables: Labels that a reader can choose values of.
    """

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    rows: tuple[Row, ...]
