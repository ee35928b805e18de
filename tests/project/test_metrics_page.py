"""The metrics page and the declarations agree."""

import re
from pathlib import Path

from gateway.telemetry.declared import DECLARED
from gateway.telemetry.metric import Kind

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_the_page_has_a_row_for_each_metric_and_for_nothing_else() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `gateway_")]
    declared = [
        f"| `{one.name}` | {one.kind.value} | {one.unit.value} | "
        f"{', '.join(f'`{label}`' for label in one.labels) or '-'} | {one.meaning} |"
        for one in DECLARED
    ]
    assert rows == declared


def test_queries_on_the_page_use_declared_metrics_and_labels_only() -> None:
    blocks = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    names = {one.name: one for one in DECLARED}
    for name, labels in re.findall(r"(gateway_[a-z_]+)(\{[^}]*\})?", " ".join(blocks)):
        base = names[re.sub(r"_(bucket|sum|count)$", "", name)]
        assert set(re.findall(r"(\w+)[=!]", labels)) <= set(base.labels), name


def test_names_follow_the_conventions_of_prometheus() -> None:
    for one in DECLARED:
        assert one.name.startswith("gateway_")
        assert (one.kind is Kind.COUNTER) == one.name.endswith("_total"), one.name
        assert (one.kind is Kind.HISTOGRAM) == bool(one.buckets), one.name
        assert list(one.buckets) == sorted(one.buckets)
