"""`python -m tests.simulation 1-50`: simulate seeds; see the package's README for what is checked."""

import subprocess
import sys
import time
from collections.abc import Iterator

from .world import Report, run


def seeds(text: str) -> Iterator[int]:
    """`1-50`, `7` or `3,8,20-25`."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(("git", *words), capture_output=True, text=True, check=False).stdout

    dirty = " with changes" if git("status", "--porcelain", "gateway", "tests/simulation") else ""
    return git("rev-parse", "--short", "HEAD").strip() + dirty


def _line(report: Report) -> str:
    faults = " ".join(f"{kind}:{n}" for kind, n in sorted(report.faults.items())) or "none"
    if report.neighbour:
        faults += f" neighbour {report.neighbour:.0%}"
    used = " ".join(f"{share:.1%}" for share in report.saturation.values())
    return (
        f"seed {report.seed:>5}  {report.minutes:5.1f} min  {report.calls:>5} calls  "
        f"{report.provider_429s:>3} 429s  overrun {report.overrun:6.2%}  "
        f"latest {report.latest_s:+5.2f} s  used {used}  faults {faults}  {report.trace[:12]}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Simulate, print, and say how to replay what failed."""
    began_s = time.monotonic()
    failed, minutes, faults, calls = [], 0.0, 0, 0
    for seed in seeds(arguments[0] if arguments else "1-20"):
        report = run(seed)
        minutes, calls = minutes + report.minutes, calls + report.calls
        faults += report.faults.total()
        _say(_line(report))
        if report.findings:
            failed.append(seed)
            _say(f"FAILED seed {seed} at commit {_commit()}; replay: make simulate SEEDS={seed}")
            for finding in report.findings[:12]:
                _say(f"    {finding}")
    took_s = time.monotonic() - began_s
    speed = minutes / took_s * 60
    _say(
        f"{minutes:.0f} simulated minutes, {calls} calls, {faults} faults in {took_s:.0f} s "
        f"({speed:.0f} simulated minutes per minute); failed seeds: {failed or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
