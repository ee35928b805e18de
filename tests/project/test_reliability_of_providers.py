"""Each line about providers and agents in docs/reliability.md has its tests."""

import re
from pathlib import Path

import pytest

from gateway.core.breaker import BreakerSettings
from gateway.core.failover import FailoverSettings
from gateway.core.retrying import Repeat, RetrySettings
from gateway.core.runaway import RunawayMode, RunawaySettings
from gateway.domain.topology import Timeouts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
BREAKER = "core/test_breaker.py"
BOARD = "core/test_breaker_board.py"
BREAKERS = "integration/test_breakers.py"
DECIDING = "core/test_retrying.py"
FAILOVER = "integration/test_failover.py"
MIDSTREAM = "integration/test_midstream.py"
MOVING = "integration/test_moving.py"
RETRIES = "integration/test_retries.py"
RUNAWAY = "core/test_runaway.py"
RUNAWAYS = "integration/test_runaways.py"
DEFAULTS = ("config/test_reference.py", "test_the_defaults_on_the_page_are_those_in_force")

TESTS: dict[str, tuple[tuple[str, str], ...]] = {
    "A provider's rate limit (429)": (
        (DECIDING, "test_what_comes_next"),
        ("integration/test_waiting.py", "test_a_providers_429_is_waited_for_and_never_seen"),
    ),
    "Overload (529, 503)": (
        (RETRIES, "test_an_error_that_passes_is_not_seen_by_the_agent"),
        (RETRIES, "test_what_is_repeated"),
    ),
    "What never reached the provider": (
        (RETRIES, "test_what_never_reached_the_provider_is_sent_again_and_costs_nothing"),
    ),
    "What reached it and was cut": ((RETRIES, "test_what_is_repeated"),),
    "The caller's own errors": (
        (FAILOVER, "test_what_is_the_callers_fault_is_told_at_once"),
        (FAILOVER, "test_a_billing_refusal_is_told_at_once"),
    ),
    "A refused credential": (
        (
            FAILOVER,
            "test_a_refused_credential_is_not_the_end_where_another_lane_may_have_a_better_one",
        ),
        (RETRIES, "test_what_is_repeated"),
    ),
    "Paths without a codec": ((RETRIES, "test_a_path_without_a_codec_is_never_sent_again"),),
    "Repetitions are a tenth": (
        (RETRIES, "test_an_outage_is_not_multiplied"),
        (
            DECIDING,
            "test_repetitions_never_exceed_their_share_of_the_traffic_and_the_burst",
        ),
        DEFAULTS,
    ),
    "A pause is at least": (
        (DECIDING, "test_a_pause_is_as_long_as_asked_for_and_fits_into_the_calls_patience"),
        (DECIDING, "test_pauses_double_and_differ_by_chance"),
        (RETRIES, "test_a_call_without_patience_is_not_held_up_by_a_pause"),
        (RETRIES, "test_a_providers_retry_after_is_waited_for"),
    ),
    "The client sees one call": (
        (RETRIES, "test_an_sdk_with_retries_of_its_own_sees_one_call"),
        (RETRIES, "test_what_an_sdk_sends_again_itself_is_not_repeated_as_well"),
    ),
    "Five failures in a row": (
        (BREAKER, "test_failures_in_a_row_open_it"),
        (BREAKER, "test_what_opens_it"),
        (BREAKER, "test_failures_older_than_the_window_do_not_count"),
        (BREAKERS, "test_a_lane_that_answers_too_slowly_is_left_alone"),
        DEFAULTS,
    ),
    "A lane counts": (
        (BOARD, "test_an_answer_speaks_for_its_provider_and_judges_its_lane"),
        (BOARD, "test_only_a_missing_connection_is_the_whole_providers"),
        (BREAKERS, "test_a_stream_that_breaks_off_counts"),
        (BREAKERS, "test_a_provider_that_cannot_be_reached_is_left_alone_as_a_whole"),
    ),
    "Rate limits, billing": (
        (BREAKERS, "test_what_is_the_callers_fault_opens_nothing"),
        (BOARD, "test_an_answer_speaks_for_its_provider_and_judges_its_lane"),
    ),
    "It stays open for 5 s": (
        (BREAKER, "test_the_open_time_doubles_up_to_a_bound_with_some_chance"),
        (BREAKER, "test_calm_makes_the_next_open_time_a_first_one"),
        (BREAKER, "test_it_stays_open_for_as_long_as_the_other_side_asked"),
        DEFAULTS,
    ),
    "Then it is half open": (
        (BREAKER, "test_after_its_time_it_lets_a_few_through_to_see"),
        (BREAKER, "test_good_probes_close_it"),
        (BREAKER, "test_a_probe_that_fails_opens_it_for_twice_as_long"),
        (BREAKER, "test_a_half_open_breaker_never_has_more_probes_out_than_it_may"),
    ),
    "A result of an earlier state": (
        (BREAKER, "test_a_result_of_an_earlier_state_counts_for_nothing"),
    ),
    "What one replica finds": (
        (BREAKERS, "test_every_replica_leaves_alone_what_one_of_them_found_to_fail"),
        (
            "store/test_breakers.py",
            "test_what_was_not_told_while_the_store_was_away_is_told_when_it_is_back",
        ),
    ),
    "Replicas agree": (
        (BREAKER, "test_replicas_agree_whatever_the_order_in_which_they_hear"),
        ("store/test_breakers.py", "test_an_older_state_never_covers_a_later_one"),
    ),
    "A call that meets an open breaker": (
        (BREAKERS, "test_a_lane_that_fails_is_left_alone_and_its_calls_go_elsewhere"),
        (BREAKERS, "test_a_call_with_patience_waits_until_the_lane_works_again"),
        (BREAKERS, "test_a_call_waits_for_the_breaker_where_no_other_lane_has_room"),
        (BREAKERS, "test_every_replica_leaves_alone_what_one_of_them_found_to_fail"),
    ),
    "Each move is in the log": (
        (BREAKERS, "test_a_call_with_patience_waits_until_the_lane_works_again"),
        (BREAKERS, "test_an_operator_takes_a_lane_out_of_service_and_puts_it_back"),
    ),
    "A breaker opened by an operator": (
        (BREAKER, "test_somebody_holds_it_open"),
        (BREAKERS, "test_an_operator_takes_a_lane_out_of_service_and_puts_it_back"),
    ),
    "Options are tried in order": (
        (
            FAILOVER,
            "test_a_lane_that_is_blocked_for_longer_than_a_call_waits_hands_it_on",
        ),
        (RETRIES, "test_a_failing_lane_hands_over_after_its_repetitions"),
        (MOVING, "test_a_call_whose_time_does_not_suffice_moves_at_once"),
        (BREAKERS, "test_a_lane_that_fails_is_left_alone_and_its_calls_go_elsewhere"),
    ),
    "A call that may wait": (
        (MOVING, "test_a_long_wait_is_left_for_a_lane_with_room"),
        (MOVING, "test_a_short_wait_is_waited_for"),
        (MOVING, "test_a_warm_cache_that_is_worth_more_keeps_a_call_where_it_is"),
        ("core/test_failover.py", "test_what_is_worth_more"),
        DEFAULTS,
    ),
    "A call that finds no room": (
        (MOVING, "test_a_call_that_finds_no_room_elsewhere_has_its_place_again"),
    ),
    "A wait for the agent's": ((MOVING, "test_a_wait_for_its_own_budget_moves_no_call"),),
    "Each decision is in `gateway why`": (
        (MOVING, "test_a_warm_cache_that_is_worth_more_keeps_a_call_where_it_is"),
        ("cli/test_story.py", "test_a_call_that_went_elsewhere"),
    ),
    "Signed thinking": (
        ("dialects/test_ties.py", "test_what_ties"),
        (MOVING, "test_a_conversation_that_is_tied_to_its_model_does_not_move"),
    ),
    "Only the name of the model": (("dialects/test_renaming.py", "test_only_the_name_changes"),),
    "`x-gateway-model`": (
        (
            FAILOVER,
            "test_a_lane_that_is_blocked_for_longer_than_a_call_waits_hands_it_on",
        ),
    ),
    "An agent gets no model": ((FAILOVER, "test_what_is_no_option"),),
    "When nothing is left": (
        (
            FAILOVER,
            "test_when_all_are_blocked_the_refusal_names_the_time_of_the_first_to_be_free",
        ),
        (
            RETRIES,
            "test_when_the_other_lane_has_no_room_the_client_hears_of_the_failure",
        ),
    ),
    "A stream that breaks off": (
        (
            MIDSTREAM,
            "test_a_stream_that_is_cut_between_two_events_raises_the_sdks_own_error",
        ),
        (MIDSTREAM, "test_a_stream_that_is_cut_anywhere_never_ends_well"),
        (MIDSTREAM, "test_a_stream_that_falls_silent_is_given_up"),
    ),
    "What went by": (
        (MIDSTREAM, "test_what_went_by_is_settled_and_explained"),
        (
            "integration/test_metering.py",
            "test_a_stream_that_the_provider_cuts_is_settled_for_what_went_by",
        ),
    ),
    "Time-outs are set": (
        (MIDSTREAM, "test_an_attempt_may_not_last_longer_than_its_total"),
        ("upstream/test_protocol_endings.py", "test_silence_in_a_phase_is_a_timeout_of_that_phase"),
        DEFAULTS,
    ),
    "An agent runs away": (
        (RUNAWAY, "test_loops"),
        (RUNAWAY, "test_an_agent_has_a_norm_of_its_own"),
        (RUNAWAY, "test_a_conversation_that_only_grows"),
        (RUNAWAYS, "test_a_loop_of_errors"),
        DEFAULTS,
    ),
    "SDKs' own retries": (
        (RUNAWAYS, "test_retries_of_an_sdk_are_not_its_agents"),
        (RUNAWAYS, "test_probes_and_counting_are_no_loop"),
        (RUNAWAY, "test_loops"),
    ),
    "An agent that is stopped": ((RUNAWAYS, "test_no_sdk_tries_again"),),
    "It is stopped at all replicas": (
        (
            RUNAWAYS,
            "test_it_is_told_why_and_how_it_goes_on_and_is_stopped_at_all_replicas",
        ),
    ),
    "It goes on after 15 minutes": (
        (RUNAWAYS, "test_it_goes_on_by_itself_after_a_while"),
        (RUNAWAY, "test_it_begins_anew_when_it_is_resumed_but_keeps_its_norm"),
        DEFAULTS,
    ),
    "Replicas tell each other": (
        (RUNAWAYS, "test_a_loop_that_is_spread_over_replicas"),
        (RUNAWAY, "test_replicas_that_tell_each_other_find_a_loop_together"),
    ),
}


def claims() -> list[str]:
    """The lines of the lists of the section, each as one text."""
    section = PAGE.split("\n## Providers\n")[1].split("\n## ")[0]
    found = re.findall(r"^- (.*(?:\n  .*)*)", section, flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", item) for item in found]


@pytest.mark.parametrize("claim", claims())
def test_a_claim_of_the_page_has_tests_that_exist(claim: str) -> None:
    """A claim that is new or reworded needs its entry here."""
    (tests,) = [tests for start, tests in TESTS.items() if claim.startswith(start)]
    for file, name in tests:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}: {name}"


def test_every_entry_belongs_to_a_claim_of_the_page() -> None:
    unused = [start for start in TESTS if not any(one.startswith(start) for one in claims())]
    assert unused == []


def test_the_numbers_of_the_page_are_the_defaults() -> None:
    breakers, retries, runaways = BreakerSettings(), RetrySettings(), RunawaySettings()
    assert (breakers.in_row, breakers.ratio, breakers.volume, breakers.window_s) == (5, 0.5, 20, 30)
    assert (breakers.open_s, breakers.longest_s, breakers.calm_s) == (5, 300, 120)
    assert (breakers.probes, breakers.enough) == (1, 2)
    assert (retries.share, retries.burst, retries.repeat) == (0.1, 10, Repeat.UNSENT)
    assert FailoverSettings().after_s == 10
    assert (runaways.repeated, runaways.errors, runaways.window_s) == (20, 20, 300)
    assert (runaways.spend_times, runaways.grown, runaways.grown_tokens) == (10, 100, 400_000)
    assert (runaways.mode, runaways.pause_s) == (RunawayMode.WARN, 900)
    assert Timeouts() == Timeouts(10, 900, 600, 3600)
