"""How a scorer's evaluation is told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.core.routing.evaluation import Report
    from gateway.core.routing.judging import Judged

CLAIMS = {
    "nothing": "It is no better than the prompt's length: do not route by it.",
    "known_kinds": (
        "Better than the prompt's length on texts like those in the file. On kinds of texts that "
        "are not in the file that is not shown: route by it only what is like them."
    ),
    "unseen_kinds": (
        "Better than the prompt's length, also on kinds of texts that it was not trained on."
    ),
}


def told(found: "Judged", rows: int) -> Iterator[str]:
    """Lines for people."""
    yield f"{rows:,} outcomes; the strong model's mean outcome is better by {found.known.gap}"
    for report in (found.known, found.unseen):
        if report is not None:
            yield ""
            yield from _table(report)
    yield ""
    if found.unseen is None:
        yield "All rows have one label, so nothing can be said of other kinds of texts."
    yield CLAIMS[found.claim.value]


def _table(report: "Report") -> Iterator[str]:
    yield f"{report.name} ({report.groups:,} groups)"
    yield f"  {'':<18}{'APGR [95 %]':<24}{'over the length':<28}{'CPT(50%)':>9}{'CPT(80%)':>9}"
    for way, one in report.standings.items():
        over = "-" if way == "prompt length" else _signed(one.over_length)
        yield f"  {way:<18}{one.apgr!s:<24}{over:<28}{one.cpt50:>9.1%}{one.cpt80:>9.1%}"


def _signed(interval: Any) -> str:
    return f"{interval.figure:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def plain(found: "Judged", rows: int) -> dict[str, Any]:
    """The same as data for JSON."""
    from dataclasses import asdict

    return {
        "rows": rows,
        "claim": found.claim.value,
        "splits": [asdict(one) for one in (found.known, found.unseen) if one is not None],
    }
