"""From tokens to charges: what a lane's provider counts, and what a budget counts.

A budget's `tpm` counts tokens as the provider counts them against its own limit (so prompt-cache
reads that are free there are free here), plus output: a budget is a share of that limit.
"""

from gateway.domain.admission import Charge
from gateway.domain.call import CallFacts
from gateway.domain.topology import Lane
from gateway.domain.usage import Usage

from .estimate import Estimate

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rough count on arrival; the facts give no figure, its documentation's rule of thumb."""


def expected(lane: Lane, facts: CallFacts, guess: Estimate, cost_microusd: int) -> Charge:
    """What to reserve for a call."""
    counted = guess.input_tokens
    if not lane.counts_cached_input:
        counted -= guess.cached_tokens
    if lane.charges_max_output:
        # provider-facts B5: max(max_tokens, estimate from characters), once, on arrival.
        asked = (facts.max_output_tokens or 0) * facts.choices
        lane_tokens = max(asked, facts.prompt_bytes // CHARACTERS_PER_TOKEN + facts.media_tokens)
    else:
        lane_tokens = counted + guess.output_tokens
    return Charge(
        requests=1,
        lane_input_tokens=counted,
        lane_output_tokens=guess.output_tokens,
        lane_tokens=lane_tokens,
        input_tokens=counted,
        output_tokens=guess.output_tokens,
        cost_microusd=cost_microusd,
    )


def actual(lane: Lane, reserved: Charge, usage: Usage, cost_microusd: int) -> Charge:
    """What a finished call really took."""
    counted = usage.input_tokens + usage.cache_write_tokens
    if lane.counts_cached_input:
        counted += usage.cache_read_tokens
    # A charge on arrival is not known to be refunded (provider-facts B5); headers correct it.
    kept = reserved.lane_tokens if lane.charges_max_output else counted + usage.output_tokens
    return Charge(
        requests=reserved.requests,
        lane_input_tokens=counted,
        lane_output_tokens=usage.output_tokens,
        lane_tokens=kept,
        input_tokens=counted,
        output_tokens=usage.output_tokens,
        cost_microusd=cost_microusd,
    )


def refused_upstream(reserved: Charge) -> Charge:
    """A call that the provider answered with an error: it counted as a request, not as tokens."""
    return Charge(requests=reserved.requests)


NOTHING = Charge(requests=0)
"""A call that never reached the provider."""
