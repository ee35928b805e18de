"""The public outcomes that routing is judged on, which are not part of this repository."""

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.outcomes import read_outcomes
from gateway.core.routing.training import Outcome
from gateway.dialects.registry import CODECS
from gateway.domain.call import CallFacts, Dialect
from gateway.domain.signals import Signals

VARIABLE = "ROUTING_DATA"
_BESIDE = Path(__file__).parents[3] / "shared" / "routing-data"


class NoData(Exception):  # noqa: N818 - a fact about this machine
    """The folder is not here."""


def folder(named: Path | None = None) -> Path:
    """Where the data is.

    Raises:
        NoData: Nowhere.
    """
    place = named or Path(os.environ.get(VARIABLE) or _BESIDE)
    if not (place / "outcomes.csv.gz").is_file():
        raise NoData(
            f"there is no outcomes.csv.gz in {place}. The routing data is not part of the "
            f"repository; say where it is with --data or {VARIABLE}."
        )
    return place


def outcomes(place: Path) -> list[Outcome]:
    """Outcomes of a weak and a strong model on single prompts."""
    return read_outcomes(place / "outcomes.csv.gz", "subject")


@dataclass(frozen=True)
class Step:
    """One step of an agent's run.

    Attributes:
        kind: What kind of run.
        run: Which run.
        hard: The cheapest tier does not do.
        size: Of the prompt, in bytes.
    """

    kind: str
    run: str
    hard: bool
    size: int
    signals: Signals
    facts: CallFacts


def steps(place: Path) -> list[Step]:
    """Steps of agents' runs, read as the gateway reads a call."""
    with gzip.open(place / "agent_steps.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [_step(json.loads(line)) for line in lines]


def _step(row: dict[str, Any]) -> Step:
    codec = CODECS[Dialect.OPENAI]
    matched = codec.match("POST", "/v1/chat/completions")
    if matched is None:
        raise AssertionError("chat completions are a path of OpenAI's")
    body = json.dumps({"model": "m", "messages": row["messages"]}).encode()
    facts = codec.read(matched, body)
    return Step(
        row["benchmark"],
        row["instance_id"],
        row["target_tier"] != "low",
        facts.prompt_bytes,
        codec.signals(matched, body),
        facts,
    )
