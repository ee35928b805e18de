"""The page of the translation and its tables agree."""

import re
from pathlib import Path

from gateway.dialects.translation.features import Feature
from gateway.dialects.translation.fields import Treatment
from gateway.dialects.translation.translation import FORMATS
from gateway.domain.call import Endpoint

PAGE = (Path(__file__).parents[2] / "docs" / "translation.md").read_text()
TITLES = {
    Endpoint.MESSAGES: "Messages (Anthropic)",
    Endpoint.CHAT: "Chat Completions (OpenAI)",
    Endpoint.RESPONSES: "Responses (OpenAI)",
    Endpoint.GENERATE: "generateContent (Gemini)",
}


def test_the_page_says_of_each_feature_what_each_format_does_with_it() -> None:
    expected = []
    for feature in Feature:
        forms = FORMATS.values()
        names = [f"`{one.names[feature]}`" if feature in one.names else "-" for one in forms]
        does = [one.carries[feature].value for one in forms]
        expected.append(f"| {feature.value} | {' | '.join(names)} | {' | '.join(does)} |")
    table = PAGE.split("to generateContent |\n", 1)[1].split("\n\n")[0].splitlines()[1:]
    assert table == expected


def test_the_page_lists_each_field_of_each_format_and_what_happens_to_it() -> None:
    for endpoint, title in TITLES.items():
        section = PAGE.split(f"### {title}\n", 1)[1].split("\n### ")[0].split("\n## ")[0]
        rows = re.findall(r"^\| `([^`]+)` \| (\w+) \|$", section, re.MULTILINE)
        found = {name: Treatment(treatment) for name, treatment in rows}
        assert found == FORMATS[endpoint].fields


def test_what_is_dropped_or_refused_of_a_feature_has_a_name_in_some_format() -> None:
    for feature in Feature:
        assert any(feature in one.names for one in FORMATS.values()), feature
