"""Writes `dashboards/json/`, or with `--check` says whether it is up to date."""

import sys
from pathlib import Path

from .boards import BOARDS
from .grafana import encoded

FOLDER = Path(__file__).parent / "json"


def stale() -> list[Path]:
    """Files that are missing, too many or not what the code generates."""
    wanted = {FOLDER / f"{board.uid}.json": encoded(board) for board in BOARDS}
    wrong = [
        path for path, text in wanted.items() if not path.is_file() or path.read_text() != text
    ]
    return wrong + [path for path in FOLDER.glob("*.json") if path not in wanted]


def main() -> int:
    """Write them all, or check them."""
    if "--check" in sys.argv[1:]:
        for path in stale():
            print(f"not up to date: {path.relative_to(FOLDER.parent.parent)}; run: make dashboards")
        return 1 if stale() else 0
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(encoded(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
