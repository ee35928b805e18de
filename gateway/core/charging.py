"""From tokens to charges: what a lane's provider counts, and what a budget counts.

A budget's `tpm` counts tokens as the provider counts them against its own limit (so prompt-cache
reads that are free there are free here), plus output: a budget is a share of that limit.

What is held for a **hard** `tpm` budget is not what a call will probably use, but what it hardly
exceeds, since a budget that is exceeded cannot take it back (docs/limits.md says what that
promises). The lane holds the expectation: providers correct it, and a share of a lane held in
vain by everybody would be lost to everybody.
"""

from gateway.domain.admission import Charge
from gateway.domain.call import CallFacts
from gateway.domain.topology import Lane
from gateway.domain.usage import Usage

from .estimate import Estimate

WHOLE_MAXIMUM_FITS = 4
"""A hard budget holds the whole requested maximum of output if it fits so many times."""
CHARACTERS_PER_TOKEN = 4
"""OpenAI's rough count on arrival; the facts give no figure, its documentation's rule of thumb."""


def expected(
    lane: Lane,
    facts: CallFacts,
    guess: Estimate,
    cost_microusd: int,
    hard_tpm: int | None = None,
) -> Charge:
    """What to reserve for a call; `hard_tpm` is the smallest hard `tpm` of its budgets."""
    counted = guess.input_tokens
    if not lane.counts_cached_input:
        counted -= guess.cached_tokens
    if lane.charges_max_output:
        # provider-facts B5: max(max_tokens, estimate from characters), once, on arrival.
        asked = (facts.max_output_tokens or 0) * facts.choices
        lane_tokens = max(asked, facts.prompt_bytes // CHARACTERS_PER_TOKEN + facts.media_tokens)
    else:
        lane_tokens = counted + guess.output_tokens
    budget_input, budget_output = counted, guess.output_tokens
    if hard_tpm is not None:
        budget_input, budget_output = _bounds(facts, guess, counted, hard_tpm)
    return Charge(
        requests=1,
        lane_input_tokens=counted,
        lane_output_tokens=guess.output_tokens,
        lane_tokens=lane_tokens,
        input_tokens=budget_input,
        output_tokens=budget_output,
        cost_microusd=cost_microusd,
    )


def _bounds(facts: CallFacts, guess: Estimate, counted: int, hard_tpm: int) -> tuple[int, int]:
    """Input and output that a call hardly exceeds.

    A call that fits the budget as expected is never held to be larger than the budget.
    """
    most_input = max(counted, counted + guess.input_bound - guess.input_tokens)
    most_output = max(guess.output_tokens, guess.output_bound)
    if facts.max_output_tokens is not None:
        asked = facts.max_output_tokens * facts.choices
        if asked * WHOLE_MAXIMUM_FITS <= hard_tpm:
            most_output = max(guess.output_tokens, asked)
    most_output = max(guess.output_tokens, min(most_output, hard_tpm - most_input))
    most_input = max(counted, min(most_input, hard_tpm - most_output))
    return most_input, most_output


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
