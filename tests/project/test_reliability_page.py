"""Each line of the failure policy in docs/reliability.md has its tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
FALLBACK = "store/test_fallback.py"
LOCAL = "store/test_local.py"
LOSS = "integration/test_store_loss.py"
BOUNDS = "security/test_bounds.py"
PROTOCOL = "wiring/test_protocol.py"

TESTS: dict[str, tuple[tuple[str, str], ...]] = {
    "An answer that takes longer than half a second": (
        (FALLBACK, "test_calls_go_on_with_the_share_and_come_back"),
        (FALLBACK, "test_a_store_that_refuses_is_as_good_as_lost"),
        (FALLBACK, "test_a_cluster_that_is_down_is_as_good_as_lost"),
        (FALLBACK, "test_the_default_times_are_those_of_the_page"),
    ),
    "A replica then admits its share": (
        (LOCAL, "test_a_replica_admits_its_share_of_each_limit"),
        (LOCAL, "test_a_share_is_a_part_and_at_least_one"),
        (LOSS, "test_calls_go_on_and_the_loss_is_shown_until_the_store_is_back"),
    ),
    "Calls that wait move": (
        (FALLBACK, "test_waiting_calls_move_over_and_back_in_their_order"),
        (
            "store/test_admission_contract.py",
            "test_who_waits_can_be_let_go_in_order_and_leaves_nothing",
        ),
    ),
    "Calls that run hold": (
        (LOCAL, "test_calls_that_run_at_the_loss_hold_their_share_until_they_end"),
    ),
    "What was used before the loss": (
        (LOCAL, "test_what_was_used_before_the_loss_still_counts"),
        (LOCAL, "test_shares_hold_a_budget_over_every_sliding_minute_that_spans_the_loss"),
    ),
    "Spend of the day": ((LOCAL, "test_spend_before_the_loss_counts_by_the_share_as_well"),),
    "A call larger than a share": (
        (LOCAL, "test_a_call_larger_than_the_share_goes_when_the_share_is_unused"),
    ),
    "Blocks, levels and learned limits": (
        (LOCAL, "test_blocks_levels_and_learned_limits_are_known"),
    ),
    "A provider's headers": (
        (LOCAL, "test_a_provider_s_figures_are_shared_as_well"),
        (FALLBACK, "test_a_block_met_without_the_store_is_told_to_it"),
    ),
    "Changes of limits": ((FALLBACK, "test_an_edit_of_limits_acts_without_the_store_too"),),
    "No call fails by the loss": (
        (FALLBACK, "test_while_the_store_times_out_no_call_fails_and_little_is_added"),
    ),
    "Keys go on working": (
        (
            "store/test_directory.py",
            "test_known_keys_work_while_the_store_is_gone_and_changes_are_caught_up_with",
        ),
    ),
    "`/readyz` stays 200": (
        (LOSS, "test_calls_go_on_and_the_loss_is_shown_until_the_store_is_back"),
        (FALLBACK, "test_it_is_said_once_in_the_log_and_once_when_it_is_over"),
    ),
    "`state.on_store_loss: refuse`": (
        (LOSS, "test_calls_are_refused_in_their_dialect_where_that_is_wanted"),
    ),
    "A replica returns once": (
        (FALLBACK, "test_replicas_do_not_return_all_at_once"),
        (FALLBACK, "test_the_default_times_are_those_of_the_page"),
    ),
    "What ended meanwhile": (
        (FALLBACK, "test_what_ended_while_the_store_was_away_is_told_when_it_is_back"),
    ),
    "Blocks that were met": ((FALLBACK, "test_a_block_met_without_the_store_is_told_to_it"),),
    "A replica that was taken for dead": (
        (FALLBACK, "test_a_replica_that_was_taken_for_dead_owes_what_it_held"),
    ),
    "A store that has lost its data": (
        (FALLBACK, "test_a_store_that_comes_back_empty_is_told_the_last_minute"),
        (
            FALLBACK,
            "test_a_store_without_its_data_lets_nothing_through_before_it_has_heard_of_our_use",
        ),
    ),
    "A failover to a replica": ((FALLBACK, "test_a_failover_to_a_replica_keeps_what_it_has"),),
    "A slow store is used": (
        (FALLBACK, "test_a_slow_store_is_used_as_long_as_it_answers_in_time"),
    ),
    "A replica that is cut off": (
        (FALLBACK, "test_a_replica_that_is_cut_off_alone_uses_no_more_than_its_share"),
    ),
    "A gateway does not start": (
        ("cli/test_serve.py", "test_a_store_that_cannot_be_reached_exits_with_4"),
    ),
    "Calls in progress are bounded": (
        (BOUNDS, "test_background_gives_way_first_then_normal_and_urgent_last"),
        ("core/test_shedding.py", "test_a_band_fills_its_own_part_of_the_calls"),
    ),
    "Bytes of request bodies": (
        (BOUNDS, "test_bodies_beyond_the_memory_for_them_are_refused_as_soon_as_that_shows"),
        ("core/test_shedding.py", "test_a_band_fills_its_own_part_of_the_bytes"),
    ),
    "Connections are bounded": (
        (
            BOUNDS,
            "test_past_its_connections_a_gateway_refuses_in_the_caller_s_dialect_and_shows_its_health",
        ),
        (PROTOCOL, "test_a_connection_beyond_the_number_is_served_once_and_marked"),
    ),
    "Connections beyond those": (
        (PROTOCOL, "test_a_connection_too_many_is_told_when_to_come_back"),
    ),
    "The queue of a lane": (("core/admission/test_queue.py", "test_a_full_queue_refuses"),),
    "A client that sends": (
        (BOUNDS, "test_a_slow_head_is_not_waited_for"),
        (BOUNDS, "test_a_slow_body_is_not_waited_for"),
    ),
    "A client that takes nothing": (
        (PROTOCOL, "test_a_client_that_takes_nothing_of_its_answer_is_cut_off"),
    ),
}


def claims() -> list[str]:
    """The lines of the lists of this page's own sections, each as one text."""
    found = []
    for name in ("The store", "Overload"):
        section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for item in re.findall(r"^- (.*(?:\n  .*)*)", section, flags=re.MULTILINE):
            found.append(re.sub(r"\s+", " ", item))
    return found


@pytest.mark.parametrize("claim", claims())
def test_a_claim_of_the_page_has_tests_that_exist(claim: str) -> None:
    """A claim that is new or reworded needs its entry here."""
    (tests,) = [tests for start, tests in TESTS.items() if claim.startswith(start)]
    for file, name in tests:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}: {name}"


def test_every_entry_belongs_to_a_claim_of_the_page() -> None:
    unused = [start for start in TESTS if not any(one.startswith(start) for one in claims())]
    assert unused == []
