"""What telemetry costs: CPU of a worker for each call, by who is told of it.

python -m tests.bench.metrics_cpu
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

from gateway.domain.explanation import Attempt
from gateway.domain.facts import CallRecord, Session, Trace
from gateway.telemetry.access_log import Stamp, line
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.spans import SpanMaker
from tests.telemetry.test_metrics import RECORD

_TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "80f067aa0ba902b7", "", sampled=True)
_AGENTS = 20


def _records(count: int) -> list[CallRecord]:
    plain = replace(RECORD, last=Attempt(200, 1.5, "req_up", "", "", "sonnet", "m", "claude", 0.3))
    return [
        replace(plain, agent=f"agent-{n % _AGENTS}", session=Session(f"session-{n % 100}"))
        for n in range(count)
    ]


def _per_call_us(tell: Callable[[CallRecord], object], records: list[CallRecord]) -> float:
    for record in records[:1000]:
        tell(record)
    began_s = time.process_time()
    for record in records:
        tell(record)
    return (time.process_time() - began_s) / len(records) * 1e6


def _metrics(records: list[CallRecord], directory: str | None) -> str:
    metrics = Metrics(directory)
    for record in records[:1000]:
        metrics.call_finished(record)
    metrics.refresh()
    us = _per_call_us(metrics.call_finished, records)
    began_s = time.process_time()
    metrics.refresh()
    refresh_us = (time.process_time() - began_s) * 1e6
    return f"{us:8.1f} µs, and {refresh_us / 1000:.1f} ms twice a second"


def _run(calls: int, directory: str | None) -> None:
    records = _records(calls)
    if directory is not None:
        print(f"{'metrics, several workers':28}{_metrics(records, directory)}")
        return
    print(f"{'metrics, one worker':28}{_metrics(records, None)}")
    stamp, out = Stamp(), io.BytesIO()
    us = _per_call_us(lambda one: out.write(bytes(line(one, stamp(0.0)).lane, "ascii")), records)
    print(f"{'access log, without JSON':28}{us:8.1f} µs")
    maker = SpanMaker("0", "w")
    us = _per_call_us(lambda one: list(maker.spans(one, _TRACE, 0.0)), records)
    print(f"{'spans, in a thread':28}{us:8.1f} µs")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _run(given.calls, given.directory)
    if given.directory is None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(  # the library chooses its mode when it is imported
                [sys.executable, "-m", "tests.bench.metrics_cpu", "--directory", folder],
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder},
                check=True,
            )


if __name__ == "__main__":
    main()
