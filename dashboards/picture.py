"""Draws the dashboards from a Prometheus, without Grafana: `python -m dashboards.picture URL DIR`.

For the documentation, and for machines that have no Grafana. The layout, titles and levels are those
of the boards; colours and fonts are not Grafana's. Needs matplotlib.
"""

import argparse
import importlib
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, TypeAlias

from .boards import BOARDS
from .panels import Board, Look, Panel, Query, Unit

Series: TypeAlias = list[tuple[str, list[float], list[float]]]
"""Legend, seconds before now, values."""

_GOOD, _WARN, _BAD, _NEUTRAL = "#3a9a5b", "#d9822b", "#c23030", "#2b6cb0"
_COLUMNS, _ROW_INCHES, _MOST_SERIES = 24, 0.33, 10


def main() -> None:
    """Draw every board into a folder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("prometheus", help="base URL")
    options.add_argument("folder", type=Path)
    options.add_argument("--seconds", type=int, default=300, help="how far back")
    options.add_argument("--window", default="1m", help="of rates")
    chosen = options.parse_args()
    importlib.import_module("matplotlib").use("Agg")
    for board in BOARDS:
        _draw(board, _Source(chosen.prometheus, chosen.seconds, chosen.window), chosen.folder)


class _Source:
    """Asks Prometheus as Grafana would."""

    def __init__(self, url: str, seconds: int, window: str) -> None:
        self._url, self._seconds, self._window = url.rstrip("/"), seconds, window

    def series(self, board: Board, query: Query) -> Series:
        """What a query shows in the time range."""
        text = query.expr.replace("$__rate_interval", self._window)
        text = text.replace("$__range_s", str(self._seconds))
        text = text.replace("$__range", f"{self._seconds}s")
        for variable in board.variables:
            text = text.replace(f"${variable}", ".*")
        now = time.time()  # noqa: TID251 - a tool, not the gateway
        asked = urllib.parse.urlencode(
            {"query": text, "start": now - self._seconds, "end": now, "step": self._seconds / 150}
        )
        with urllib.request.urlopen(f"{self._url}/api/v1/query_range?{asked}") as answer:  # noqa: S310
            found = json.load(answer)["data"]["result"]
        shown: Series = []
        for one in found:
            points = [(float(at) - now, float(value)) for at, value in one["values"]]
            points = [point for point in points if point[1] == point[1]]
            if points:
                ats, values = zip(*points, strict=True)
                shown.append((_legend(query, one["metric"]), list(ats), list(values)))
        return shown


def _legend(query: Query, labels: dict[str, str]) -> str:
    text = query.legend
    for name, value in labels.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _draw(board: Board, source: _Source, folder: Path) -> None:
    pyplot = importlib.import_module("matplotlib.pyplot")
    places, height = _places(board)
    figure = pyplot.figure(figsize=(20, height * _ROW_INCHES), facecolor="#f5f5f5")
    figure.suptitle(board.title, x=0.01, y=1 - 0.4 / height, ha="left", weight="bold", size=15)
    for panel, left, top in places:
        axis = figure.add_axes(
            (
                (left + 0.55) / _COLUMNS,
                1 - (top + panel.height - 1.7) / height,
                (panel.width - 0.9) / _COLUMNS,
                (panel.height - 3.0) / height,
            )
        )
        axis.set_title(panel.title, loc="left", size=10, weight="bold")
        shown = [one for query in panel.queries for one in source.series(board, query)]
        _fill(axis, panel, shown)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{board.uid}.png", dpi=60)
    pyplot.close(figure)


def _places(board: Board) -> tuple[list[tuple[Panel, int, int]], int]:
    """Where each panel goes (column, line), and the height of all."""
    places: list[tuple[Panel, int, int]] = []
    left, top, tallest = 0, 2, 0
    for row in board.rows:
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            places.append((panel, left, top))
            left, tallest = left + panel.width, max(tallest, panel.height)
        left, top, tallest = 0, top + tallest, 0
    return places, top + 1


def _fill(axis: Any, panel: Panel, shown: Series) -> None:
    if panel.look is Look.NUMBER or not shown:
        axis.axis("off")
        text = "\n".join(_text(panel, one) for one in shown) or "none in this time"
        colour = _colour(panel, shown[0][2][-1]) if shown else "#888888"
        axis.text(0.5, 0.5, text, ha="center", va="center", size=19 if shown else 11, color=colour)
        return
    ranked = sorted(shown, key=lambda one: -one[2][-1])[:_MOST_SERIES]
    if panel.look in {Look.BARS, Look.TABLE}:
        names = [one[0] for one in reversed(ranked)]
        values = [one[2][-1] for one in reversed(ranked)]
        axis.barh(names, values, color=[_colour(panel, value) for value in values])
        axis.tick_params(labelsize=7)
        return
    for legend, ats, values in ranked:
        style = "steps-post" if panel.look is Look.STATES else "default"
        axis.plot(ats, values, label=legend[:40], linewidth=1.1, drawstyle=style)
    axis.set_ylim(bottom=min(0, *(min(one[2]) for one in ranked)))
    if panel.unit is Unit.SHARE:
        axis.yaxis.set_major_formatter(
            importlib.import_module("matplotlib.ticker").PercentFormatter(1)
        )
    axis.set_ylabel(panel.unit.value, size=7)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6, ncol=2, loc="upper left", framealpha=0.6)


def _text(panel: Panel, one: tuple[str, list[float], list[float]]) -> str:
    value = one[2][-1]
    if panel.unit is Unit.SHARE:
        return f"{value:.1%}"
    if panel.unit is Unit.DOLLARS:
        return f"${value:,.2f}"
    return f"{value:,.3g}"


def _colour(panel: Panel, value: float) -> str:
    levels = panel.levels
    if levels is None:
        return _NEUTRAL
    if levels.low:
        return _BAD if value < levels.act else _WARN if value < levels.warn else _GOOD
    return _BAD if value >= levels.act else _WARN if value >= levels.warn else _GOOD


if __name__ == "__main__":
    main()
