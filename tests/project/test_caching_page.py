"""docs/caching.md shows what the code does."""

import re
from pathlib import Path

from gateway.dialects.anthropic.breakpoints import marked

PAGE = (Path(__file__).parents[2] / "docs" / "caching.md").read_text(encoding="utf-8")


def test_the_example_is_marked_as_the_page_says() -> None:
    before, after = re.findall(r'```text\n(\{"model".*?)\n```', PAGE, re.DOTALL)
    assert marked(before.encode(), head=True, tail=True).decode() == after
