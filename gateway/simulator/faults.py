"""Faults to order: rules that match calls and say what goes wrong with them."""

from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Literal

import msgspec

FaultKind = Literal["status", "delay", "hang", "cut", "garbage", "wrong_usage", "error_event"]


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One fault.

    Which calls it hits:

    Attributes:
        kind: `status`: answer an error. `delay`: wait before the head. `hang`: fall silent until
            the client leaves. `cut`: end the connection early. `garbage`: bytes that are no JSON
            and no SSE. `wrong_usage`: report other token counts than were used. `error_event`: an
            error event inside a stream that began well.
        dialect: Only this dialect.
        path: Glob over the path.
        model: Glob over the model.
        client: Glob over the client header.
        stream: Only streams (true) or only unary calls (false).
        skip: Let so many matching calls pass first.
        count: Hit so many calls, then no more; `None` is no end.
        probability: Hit this share of the matching calls, by `seed` and position.
        seed: For `probability`.

        status: For `status` and `error_event`: the HTTP status meant.
        variant: What the error says. Anthropic: `rate_limit`, `ramp`, `spend_cap`, `billing`,
            `overloaded`. OpenAI: `rate_limit`, `slow_down`, `insufficient_quota`, `spend_cap`,
            `overloaded`. Gemini: `rate_limit`, `per_day`, `spend_cap`, `overloaded`. Empty: what
            the status usually means.
        retry_after_s: For 429 and 503 answers; `None` omits it.
        message: Text instead of the usual one.
        delay_s: For `delay`; for `hang` the most it lasts (`None`: until the client leaves).
        after_chunks: For what happens inside an answer: so many content chunks come first;
            -1 is before the head.
        how: For `cut`: `reset` (TCP RST), `close` (FIN inside the body) or `end` (the body ends
            properly, without its terminal event).
        factor: For `wrong_usage`: multiply token counts; 0 zeroes them.
        drop: For `wrong_usage`: leave usage out.
    """

    kind: FaultKind
    dialect: str | None = None
    path: str | None = None
    model: str | None = None
    client: str | None = None
    stream: bool | None = None
    skip: int = 0
    count: int | None = None
    probability: float | None = None
    seed: int = 0
    status: int = 500
    variant: str = ""
    retry_after_s: float | None = None
    message: str = ""
    delay_s: float | None = None
    after_chunks: int = 0
    how: Literal["reset", "close", "end"] = "reset"
    factor: float = 1.0
    drop: bool = False


class _Armed:
    """A rule with its counts."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.seen = 0
        self.hits = 0

    def spent(self) -> bool:
        """Whether it will never hit again."""
        return self.rule.count is not None and self.hits >= self.rule.count

    def strikes(self) -> bool:
        """Count a matching call and decide whether it is hit."""
        self.seen += 1
        rule = self.rule
        if self.seen <= rule.skip or self.spent():
            return False
        if rule.probability is not None:
            text = f"{rule.seed}:{self.seen}".encode()
            draw = int.from_bytes(blake2b(text, digest_size=6).digest(), "big") / 2**48
            if draw >= rule.probability:
                return False
        self.hits += 1
        return True


class FaultBook:
    """The rules in force."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def set(self, rules: list[FaultRule]) -> None:
        """Add rules behind those in force."""
        self._armed.extend(_Armed(rule) for rule in rules)

    def clear(self) -> None:
        """Drop all rules."""
        self._armed.clear()

    def hits(self) -> list[tuple[FaultRule, int]]:
        """Each rule in force and how often it has hit."""
        return [(a.rule, a.hits) for a in self._armed]

    def draw(
        self, dialect: str, path: str, model: str, client: str, *, stream: bool
    ) -> list[FaultRule]:
        """The faults that strike this call; each kind at most once, in order of the rules."""
        if not self._armed:
            return []
        struck: dict[str, FaultRule] = {}
        for armed in self._armed:
            rule = armed.rule
            if rule.kind in struck or not _matches(rule, dialect, path, model, client):
                continue
            if rule.stream is not None and rule.stream != stream:
                continue
            if armed.strikes():
                struck[rule.kind] = rule
        return list(struck.values())


def _matches(rule: FaultRule, dialect: str, path: str, model: str, client: str) -> bool:
    return (
        (rule.dialect is None or rule.dialect == dialect)
        and (rule.path is None or fnmatchcase(path, rule.path))
        and (rule.model is None or fnmatchcase(model, rule.model))
        and (rule.client is None or fnmatchcase(client, rule.client))
    )
