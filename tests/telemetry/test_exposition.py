"""What is written for Prometheus is what the library would write, for one worker and for several."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import declared
from gateway.telemetry.exposition import Workers, text_of
from gateway.telemetry.metric import Metric
from gateway.telemetry.metrics import Metrics
from tests.telemetry.test_metrics import RECORD

Series = tuple[str, tuple[tuple[str, str], ...], float]
"""Name, labels, value."""


def parsed(text: str) -> dict[str, tuple[str, str, set[Series]]]:
    """Families with type, meaning and samples."""
    return {
        family.name: (
            family.type,
            family.documentation,
            {(one.name, tuple(sorted(one.labels.items())), one.value) for one in family.samples},
        )
        for family in text_string_to_metric_families(text)
    }


def keys(metric: Metric, labels: tuple[str, ...]) -> Iterator[str]:
    """The library's names of the values of one child."""
    base, names = metric.name.removesuffix("_total"), list(metric.labels)
    if not metric.buckets:
        yield mmap_key(base, metric.name, names, list(labels), metric.meaning)
        return
    yield mmap_key(base, f"{base}_sum", names, list(labels), metric.meaning)
    for bound in (*(str(float(one)) for one in metric.buckets), "+Inf"):
        values = [*labels, bound]
        yield mmap_key(base, f"{base}_bucket", [*names, "le"], values, metric.meaning)


NAME = st.text(max_size=6)
AMOUNT = st.floats(0, 1e9) | st.integers(0, 1000).map(float)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    ("counter", declared.RETRIES),
                    ("counter", declared.UNEXPLAINED),
                    ("histogram", declared.WAIT),
                    ("gauge_livesum", declared.IN_FLIGHT),
                    ("gauge_livemin", declared.STORE_UP),
                    ("gauge_mostrecent", declared.LANE_HEADROOM),
                ]
            ),
            st.integers(1, 3),
            st.tuples(NAME, NAME),
            st.lists(AMOUNT, min_size=20, max_size=20),
        ),
        max_size=12,
    )
)
def test_workers_are_joined_as_the_library_joins_them(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[tuple[str, Metric], int, tuple[str, str], list[float]]],
) -> None:
    folder = tmp_path_factory.mktemp("workers")
    for stamp, ((kind, metric), pid, names, amounts) in enumerate(written, 1):
        file = MmapedDict(str(folder / f"{kind}_{pid}.db"))  # type: ignore[no-untyped-call]
        for key, amount in zip(keys(metric, names[: len(metric.labels)]), amounts, strict=False):
            file.write_value(key, amount, float(stamp))  # type: ignore[no-untyped-call]
        file.close()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    ours, theirs = Workers(str(folder)), parsed(generate_latest(registry).decode())
    assert parsed(ours.text()) == theirs
    assert parsed(ours.text()) == theirs, "and again, from what it remembers"


def test_one_worker_is_written_as_the_library_writes_it() -> None:
    metrics = Metrics(version='1.2.3 "odd\\\n"')
    metrics.call_finished(RECORD)
    metrics.refresh()
    theirs = parsed(generate_latest(metrics._registry).decode())
    with_samples = {name: family for name, family in theirs.items() if family[2]}
    assert parsed(text_of(metrics._registry)) == with_samples


def test_a_file_that_a_worker_has_not_begun_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()
    assert Workers(str(tmp_path)).text() == ""
