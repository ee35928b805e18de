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
        stay_next: A further call with the same prefix.
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
        """No length of the conversation makes it dearer to move, taking back included."""
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
    stay_next, _ = price(stay.model, usage(_later(stay), stay.prompt_tokens))
    move_next, _ = price(move.model, usage(_later(move), move.prompt_tokens))
    # Taken back, the requested model has to read the whole prefix anew. What it would have paid
    # for writing it the first time was saved, if its cache was cold.
    cold, _ = price(stay.model, usage(_later(stay), 0))
    return Comparison(
        stay_now,
        move_now,
        stay_next,
        move_next,
        risk=round((cold - stay_next) * escalation_share),
        known=stay_known and move_known,
    )


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


def _later(side: Side) -> Side:
    """The next call of the conversation: the answer has become a part of the prompt."""
    return Side(
        side.model,
        side.prompt_tokens + side.output_tokens,
        side.output_tokens,
        side.caches,
        side.cached_from_tokens,
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
