"""docs/admin.md names every operation of the admin API, and no other."""

import re
from pathlib import Path

from gateway.config.leaves import document_schemas
from gateway.controlplane.app import described_app

PAGE = (Path(__file__).parents[2] / "docs" / "admin.md").read_text(encoding="utf-8")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def operations_of_the_page() -> set[tuple[str, str]]:
    """(method, path) of the first cells of its tables: `GET`, `PUT` `/path`, or `GET /path`."""
    found: set[tuple[str, str]] = set()
    for line in PAGE.splitlines():
        cell = line.split("|")[1] if line.startswith("| `") else ""
        path = re.search(r"/admin/v1/[^\s`]+", cell)
        if path is not None:
            words = re.findall(r"[A-Z]+", cell[: path.start()])
            found |= {(word, path[0]) for word in words if word in METHODS}
    return found


def test_the_page_names_exactly_the_operations_of_the_api() -> None:
    described = described_app("0", document_schemas()).openapi()["paths"]
    assert operations_of_the_page() == {
        (method.upper(), path) for path, methods in described.items() for method in methods
    }
