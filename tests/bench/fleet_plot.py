"""A picture of the fleet benchmark, if matplotlib is installed."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_PANELS = (
    ("provider 429s after the first second", lambda one: one["provider_429s_after_1s"]),
    ("failed calls", lambda one: one["failed"]),
    ("useful share of the binding limit, %", lambda one: 100 * one["limit_shares"][one["binding"]]),
    ("urgent wait p95, s", lambda one: one["wait_s"]["urgent"]["p95"]),
    ("normal wait p95, s", lambda one: one["wait_s"]["normal"]["p95"]),
    ("Jain index", lambda one: one["jain"] or 0.0),
)
_COLOURS = {"straight": "#c44", "one": "#48a", "three": "#4a6"}


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw all cells as bars; says so and does nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        print(f"{path} is not drawn: matplotlib is not installed.")
        return
    importlib.import_module("matplotlib").use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(2, 3, figsize=(15, 7.5))
    for axis, (title, value) in zip(axes.flat, _PANELS, strict=True):
        _bars(axis, results, value)
        axis.set_title(title)
    axes.flat[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _bars(axis: Any, results: dict[str, Any], value: Any) -> None:
    """Bars grouped by fleet; hatched with the neighbour."""
    groups = sorted({(one["agents"], one["neighbour"]) for one in results.values()})
    for offset, (way, colour) in enumerate(_COLOURS.items()):
        found = {(o["agents"], o["neighbour"]): o for o in results.values() if o["way"] == way}
        at = [n + (offset - 1) * 0.27 for n, group in enumerate(groups) if group in found]
        heights = [value(found[group]) for group in groups if group in found]
        axis.bar(at, heights, 0.25, color=colour, label=way)
    labels = [f"{agents}{' +nb' if beside else ''}" for agents, beside in groups]
    axis.set_xticks(range(len(groups)), labels, fontsize=8)
