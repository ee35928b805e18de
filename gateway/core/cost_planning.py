"""What a fleet costs in a month: with and without what makes it cheaper, or on own machines."""

from math import ceil, inf

from gateway.domain.value import value

from .capacity import Interaction
from .price_corrections import HALF_PERMILLE
from .price_table import FULL_PERMILLE, Card, Price, Rates

_MILLION = 1_000_000
_VRAM_RESERVE = 1.1
"""What an inference server needs beside the sessions themselves."""
_WATTS_PER_KILOWATT = 1000
_TOGETHER = (4 / 3, 5 / 3)
"""Tokens of an agent in a team over those of one alone: a team of three takes 4 to 5 times."""


@value
class Month:
    """Micro-dollars of one month, each change for itself beside what is planned.

    Attributes:
        interactions: How many calls.
        planned: As it is planned: with caching and at the prices of the prompt's length.
        uncached: Without a prompt cache.
        routed: With some calls going to the cheaper model; `None` if there is none.
        batched: With some calls going as batches, at the batch price.
        all_savings: Routed and batched; what is routed is batched in the same share.
        short: With every prompt at the price of a short one; differs where it is long.
        long: Whether the prompt has the long-context price.
    """

    interactions: float
    planned: int
    uncached: int
    routed: int | None
    batched: int
    all_savings: int
    short: int
    long: bool


def month(
    interactions: float,
    each: Interaction,
    price: Price,
    *,
    cheaper: Price | None = None,
    route_share: float = 0.0,
    batch_share: float = 0.0,
) -> Month:
    """What so many interactions cost."""

    def total(per_interaction: float) -> int:
        return ceil(interactions * per_interaction - 1e-6)

    def split(card: Card, batch: Card, share: float) -> float:
        return (1 - share) * _each(card, each) + share * _each(batch, each)

    standard, batch = price.standard, _batch(price)
    plain, batched = _each(standard, each), split(standard, batch, batch_share)
    routed, saved = plain, batched
    if cheaper is not None:
        routed = (1 - route_share) * plain + route_share * _each(cheaper.standard, each)
        cheap_batched = split(cheaper.standard, _batch(cheaper), batch_share)
        saved = (1 - route_share) * batched + route_share * cheap_batched
    return Month(
        interactions=interactions,
        planned=total(plain),
        uncached=total(_each(standard, each.uncached())),
        routed=None if cheaper is None else total(routed),
        batched=total(batched),
        all_savings=total(saved),
        short=total(_at(standard.rates, each)),
        long=standard.rates_for(ceil(each.prompt_tokens)) is not standard.rates,
    )


@value
class Changes:
    """What would make a month cheaper.

    Attributes:
        cheaper: The price of a cheaper model; `None`: no call goes elsewhere.
        route_share: The share of calls that goes there.
        batch_share: The share of calls that goes as batches, at half the price.
    """

    cheaper: Price | None = None
    route_share: float = 0.0
    batch_share: float = 0.0


def routed_month(month_microusd: float, calls: float, each: Interaction, changes: Changes) -> float:
    """A month that cost so much, with some of its calls going to the cheaper model."""
    if changes.cheaper is None:
        return month_microusd
    there = calls * _each(changes.cheaper.standard, each)
    return (1 - changes.route_share) * month_microusd + changes.route_share * there


def batched_month(month_microusd: float, changes: Changes) -> float:
    """The same with some of its calls going as batches."""
    return month_microusd * (1 - changes.batch_share * (1 - HALF_PERMILLE / FULL_PERMILLE))


def _batch(price: Price) -> Card:
    return price.tiers.get("batch") or price.standard.times(HALF_PERMILLE)


def _each(card: Card, each: Interaction) -> float:
    """Micro-dollars of one interaction."""
    return _at(card.rates_for(ceil(each.prompt_tokens)), each)


def _at(rates: Rates, each: Interaction) -> float:
    return (
        each.input_tokens * rates.input
        + each.cache_read_tokens * rates.cache_read
        + each.cache_write_tokens * rates.cache_write
        + each.output_tokens * rates.output
    ) / _MILLION


def flat_price(usd_in: float, usd_out: float) -> Price:
    """A price of two figures, in dollars per million tokens: nothing is cheaper when cached."""
    plain = round(usd_in * _MILLION)
    return Price(Card(Rates(plain, plain, plain, plain, round(usd_out * _MILLION))))


@value
class Machines:
    """Own hardware.

    Attributes:
        session_vram_gb: Memory that one session takes, its share of the weights included.
        sessions: How many run at once.
        gpu_vram_gb: Memory of one accelerator.
        gpu_usd: Price of one, with its part of the machine around it.
        months: Over how many it is written off.
        watts: What one draws.
        usd_per_kwh: Price of power.
        hours: Hours of a month in which it is on.
    """

    session_vram_gb: float
    sessions: int
    gpu_vram_gb: float
    gpu_usd: float
    months: int
    watts: float
    usd_per_kwh: float
    hours: float


@value
class Local:
    """What own hardware needs and costs, against calls at a price.

    Attributes:
        vram_gb: Memory of all sessions, with a reserve of a tenth.
        gpus: How many accelerators hold it.
        hardware_microusd: Their part of a month.
        power_microusd: Their power in a month.
        break_even: Interactions of a month at which both cost the same.
        payback_months: Until the hardware is paid from what calls would have cost more than power;
            infinite if never.
    """

    vram_gb: float
    gpus: int
    hardware_microusd: int
    power_microusd: int
    break_even: float
    payback_months: float


def local(machines: Machines, interactions: float, month_microusd: int) -> Local:
    """Own hardware against so many interactions that cost so much elsewhere."""
    vram_gb = machines.session_vram_gb * machines.sessions * _VRAM_RESERVE
    gpus = ceil(vram_gb / machines.gpu_vram_gb - 1e-9)
    bought = gpus * machines.gpu_usd * _MILLION
    kwh = gpus * machines.watts / _WATTS_PER_KILOWATT * machines.hours
    hardware, power = bought / machines.months, kwh * machines.usd_per_kwh * _MILLION
    each = month_microusd / interactions if interactions else 0.0
    saved = month_microusd - power
    return Local(
        vram_gb=vram_gb,
        gpus=gpus,
        hardware_microusd=round(hardware),
        power_microusd=round(power),
        break_even=(hardware + power) / each if each else inf,
        payback_months=bought / saved if saved > 0 else inf,
    )


def team_tokens(agents: int) -> tuple[float, float]:
    """How many times the tokens of one agent several take for the same task: least and most.

    From the one published figure: three agents take 4 to 5 times. Each brings the whole context
    along and reads what the others write, so it is taken as proportional.
    """
    if agents <= 1:
        return 1.0, 1.0
    low, high = _TOGETHER
    return agents * low, agents * high
