"""What a conversation costs on the model that was asked for, and what it would cost on the other.

Staying is always reckoned with its cache: what the provider would read from it is priced as read.
Prices come from the price table, through a `Pricer`, so that effective dates, long contexts, cache
factors and the operator's own prices all count.
"""

from collections.abc import Callable
from typing import TypeAlias

from gateway.core.estimate import Estimate, token_density
from gateway.domain.usage import Usage
from gateway.domain.value import value

from .models import Abilities, abilities

Pricer: TypeAlias = Callable[[str, Usage], tuple[int, bool]]
"""(model, usage) → (micro-dollars, whether the model's price is known)."""

GROWTH_TOKENS = 30_000
"""A conversation is reckoned with up to so much growth: thirty turns of a thousand tokens."""
_UNKNOWN = Abilities()
ESCALATION_PRIOR = 0.05
"""The share of moved conversations that are taken back, before there is a measurement."""


@value
class Side:
    """One of the two models, for one call.

    Attributes:
        model: Its name.
        prompt_tokens: The prompt by its tokenizer.
        output_tokens: The expected answer.
        caches: Whether its provider would cache this prompt.
        cached_from_tokens: The shortest prefix that it caches.
    """

    model: str
    prompt_tokens: int
    output_tokens: int
    caches: bool
    cached_from_tokens: int


@value
class Comparison:
    """What both choices would cost, in micro-dollars.

    Attributes:
        stay_now: This call, on the requested model with its cache.
        move_now: This call, on the other, whose cache is cold.
        stay_next: A later call, whose prompt is in the cache: of those up to `GROWTH_TOKENS` later,
            the one at which moving compares worst.
        move_next: The same on the other.
        risk: What taking the conversation back later is expected to cost.
        known: Both prices are known.
    """

    stay_now: int
    move_now: int
    stay_next: int
    move_next: int
    risk: int
    known: bool

    @property
    def saves_now(self) -> bool:
        """This call alone is not dearer on the other model."""
        return self.known and self.move_now <= self.stay_now

    @property
    def saves(self) -> bool:
        """No call of the conversation is dearer after a move, as far as it may grow."""
        return (
            self.known
            and self.move_now + self.risk <= self.stay_now
            and self.move_next <= self.stay_next
        )


def sides(
    stay: str, move: str, guess: Estimate, *, cached: bool, same_dialect: bool
) -> tuple[Side, Side]:
    """Both models for a call.

    Args:
        stay: The model that was asked for.
        move: The other.
        guess: What the call is expected to use on the model that was asked for.
        cached: Whether a provider of the call's dialect caches its prompt.
        same_dialect: Whether the other model speaks that dialect. Of another dialect's cache nothing
            is known, so it is reckoned without.
    """
    ratio = token_density(move) / token_density(stay)
    return (
        Side(
            stay,
            guess.input_tokens,
            guess.output_tokens,
            cached,
            (abilities(stay) or _UNKNOWN).cached_from_tokens,
        ),
        Side(
            move,
            round(guess.input_tokens * ratio),
            round(guess.output_tokens * ratio),
            cached and same_dialect,
            (abilities(move) or _UNKNOWN).cached_from_tokens,
        ),
    )


def compare(
    stay: Side, move: Side, warm_tokens: int, price: Pricer, escalation_share: float
) -> Comparison:
    """Reckon both choices for a call.

    Args:
        stay: The model that was asked for.
        move: The other.
        warm_tokens: How much of the prompt the requested model's cache holds now.
        price: The price table.
        escalation_share: How many moved conversations are taken back.
    """
    stay_now, stay_known = price(stay.model, usage(stay, warm_tokens))
    move_now, move_known = price(move.model, usage(move, 0))
    scale = stay.prompt_tokens / move.prompt_tokens if move.prompt_tokens else 1.0
    later = [
        (_cached(one, price), _cached(other, price))
        for one, other in (
            (_grown(stay, size), _grown(move, round(size / scale)))
            for size in _sizes(stay, move, scale)
        )
    ]
    stay_next, move_next = max(later, key=lambda pair: pair[1] - pair[0])
    # Taken back, the requested model has to read the whole prefix anew. What it would have paid
    # for writing it the first time was saved, if its cache was cold.
    cold, _ = price(stay.model, usage(_grown(stay, stay.output_tokens), 0))
    return Comparison(
        stay_now,
        move_now,
        stay_next,
        move_next,
        risk=round(max(0, cold - _cached(stay, price)) * escalation_share),
        known=stay_known and move_known,
    )


def _sizes(stay: Side, move: Side, scale: float) -> list[int]:
    """By how many tokens the prompt may have grown where moving can compare worst.

    Costs are linear in the length but for two steps: where the requested model's provider begins to
    cache, and where the other's does. So the ends and these two are all there is to look at; a dearer
    rate for long prompts shows at the far end.
    """
    begins = stay.cached_from_tokens - stay.prompt_tokens
    not_yet = int((move.cached_from_tokens - 1 - move.prompt_tokens) * scale)
    within = [size for size in (begins, not_yet) if 0 < size < GROWTH_TOKENS]
    return [stay.output_tokens, *within, GROWTH_TOKENS]


def _grown(side: Side, tokens: int) -> Side:
    """A later call of the conversation."""
    return Side(
        side.model,
        side.prompt_tokens + tokens,
        side.output_tokens,
        side.caches,
        side.cached_from_tokens,
    )


def _cached(side: Side, price: Pricer) -> int:
    """What a call costs of which the whole prompt is in the cache, if it is cached at all."""
    return price(side.model, usage(side, side.prompt_tokens))[0]


def usage(side: Side, read_tokens: int) -> Usage:
    """What a call uses if so much of its prompt is read from the cache and the rest is written."""
    if not side.caches or side.prompt_tokens < side.cached_from_tokens:
        return Usage(input_tokens=side.prompt_tokens, output_tokens=side.output_tokens)
    read = min(read_tokens, side.prompt_tokens)
    if read < side.cached_from_tokens:
        read = 0
    return Usage(
        cache_read_tokens=read,
        cache_write_tokens=side.prompt_tokens - read,
        output_tokens=side.output_tokens,
    )


@value
class Shadowed:
    """What a provider's cache would hold of a conversation that went elsewhere.

    Attributes:
        tokens: The prefix.
        until: Monotonic seconds at which it expires.
    """

    tokens: int = 0
    until: float = 0.0


def counterfactual(
    side: Side, actual: Usage, held: Shadowed, now: float, lifetime_s: float
) -> tuple[Usage, Shadowed]:
    """The usage that a finished call would have had on the other model, and its cache afterwards.

    Args:
        side: The model that did not answer; its `prompt_tokens` are of its own tokenizer.
        actual: What was used where it was answered; the tier is taken over.
        held: What the other model's cache would have held before.
        now: Monotonic seconds.
        lifetime_s: Of a cache entry.
    """
    read = held.tokens if held.until > now else 0
    would = usage(side, read)
    after = Shadowed()
    if side.caches and side.prompt_tokens >= side.cached_from_tokens:
        after = Shadowed(side.prompt_tokens, now + lifetime_s)
    return (
        Usage(
            input_tokens=would.input_tokens,
            cache_read_tokens=would.cache_read_tokens,
            cache_write_tokens=would.cache_write_tokens,
            output_tokens=would.output_tokens,
            service_tier=actual.service_tier,
            exact=False,
        ),
        after,
    )
