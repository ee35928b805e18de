"""How close estimates come: input tokens, and the quantile of the output that is held.

    python -m tests.bench.estimates

Each agent has prompts of one kind (code, prose, figures), as a growing conversation whose system
prompt and tools stay: real files of this project, read by the OpenAI codec as a request body. What
they really are is counted by a tokenizer: the provider simulator's, and OpenAI's own `cl100k` and
`o200k`. Answers have lengths of a skewed distribution. Everything follows from a seed.
"""

import importlib
import json
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from gateway.core.estimate import EstimateBook
from gateway.dialects.openai import requests
from gateway.domain.call import CallFacts, Endpoint, Matched
from gateway.domain.usage import Usage
from gateway.simulator.tokenizer import count_tokens

ROOT = Path(__file__).parents[2]
KINDS = {
    "code": sorted(ROOT.glob("gateway/core/**/*.py")),
    "prose": sorted(ROOT.glob("docs/*.md")),
    "figures": [ROOT / "docs" / "fleet.json"],
}
WARM_CALLS = 20
"""After so many calls of an agent, its estimates are judged."""
_TOKENS_OF_A_MESSAGE = 4
_PIECE = (400, 6_000)
_TURNS = 8


@dataclass(frozen=True)
class Found:
    """What came of one agent.

    Attributes:
        error: Median absolute error of input estimates after the first calls.
        covered: Share of answers within the output that was held.
        bounded: Share of calls within what they hardly exceed, input and output.
    """

    error: float
    covered: float
    bounded: float


def tokenizers() -> dict[str, Callable[[str], int]]:
    """By name: how many tokens a text is."""
    found: dict[str, Callable[[str], int]] = {"simulator": count_tokens}
    with warnings.catch_warnings():  # it opens its tables in a way that is deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        bpe_openai: Any = importlib.import_module("bpe_openai")
        for name in ("cl100k_base", "o200k_base"):
            found[name] = partial(_count, bpe_openai.get_encoding(name))
    return found


def _count(encoding: Any, text: str) -> int:
    return len(encoding.encode_ordinary(text))


def conversations(kind: str, calls: int, rng: random.Random) -> Iterator[list[str]]:
    """The texts of each call's messages."""
    corpus = "\n".join(path.read_text(encoding="utf-8") for path in KINDS[kind])
    system = corpus[:3_000]
    texts = [system]
    for _ in range(calls):
        start = rng.randrange(max(1, len(corpus) - _PIECE[1]))
        texts.append(corpus[start : start + rng.randint(*_PIECE)])
        yield list(texts)
        if len(texts) > _TURNS:
            texts = [system]


def facts_of(texts: list[str]) -> CallFacts:
    """What the gateway sees of a call."""
    messages = [{"role": "user", "content": text} for text in texts]
    body = json.dumps({"model": "m", "max_completion_tokens": 4_000, "messages": messages})
    return requests.read(Matched(Endpoint.CHAT), body.encode())


def judge(kind: str, count: Callable[[str], int], calls: int, seed: int = 1) -> Found:
    """Let an agent call, and compare."""
    rng = random.Random(f"{seed}/{kind}")
    book, errors, covered, bounded = EstimateBook(), list[float](), 0, 0
    known: dict[str, int] = {}
    for number, texts in enumerate(conversations(kind, calls, rng)):
        for text in texts:
            if text not in known:
                known[text] = count(text) + _TOKENS_OF_A_MESSAGE
        tokens = sum(known[text] for text in texts)
        output = min(4_000, round(rng.lognormvariate(6.0, 0.8)))
        facts = facts_of(texts)
        guess = book.estimate("agent", "m", facts, 0.0)
        if number >= WARM_CALLS:
            errors.append(abs(guess.input_tokens / tokens - 1))
            covered += output <= guess.output_tokens
            bounded += tokens <= guess.input_bound and output <= guess.output_bound
        book.learn("agent", "m", facts, Usage(input_tokens=tokens, output_tokens=output), 0.0)
    judged = calls - WARM_CALLS
    return Found(median(errors), covered / judged, bounded / judged)


def main() -> None:
    """Print a table."""
    print(f"{'tokenizer':14}{'agent':10}{'input error':>12}{'covered':>10}{'bounded':>10}")
    for name, count in tokenizers().items():
        for kind in KINDS:
            found = judge(kind, count, 400)
            print(
                f"{name:14}{kind:10}{found.error:12.1%}{found.covered:10.1%}{found.bounded:10.1%}"
            )


if __name__ == "__main__":
    main()
