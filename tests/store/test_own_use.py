"""What this replica's calls used in the last minute."""

from gateway.domain.admission import Charge, TicketRequest
from gateway.domain.call import Priority
from gateway.store.own_use import OwnUse, Whose

CHARGE = Charge(1, 2, 3, 4, 5, 6, 7)


def call(agent: str, team: str | None = "red") -> TicketRequest:
    return TicketRequest("t", "sonnet", agent, team, Priority.NORMAL, 1.0, Charge(), 1.0)


def test_uses_are_added_up_by_whose_they_are_and_forgotten_after_a_minute() -> None:
    use = OwnUse(60.0)
    for at_s in (0.0, 30.0, 30.5):
        use.note(call("ann"), CHARGE, at_s)
    use.note(call("bob", None), CHARGE, 31.0)
    ann, bob = Whose("sonnet", "ann", "red"), Whose("sonnet", "bob", None)
    assert dict(use.sums(59.0).items())[ann] == [3, 6, 9, 12, 15, 18, 21]
    assert dict(use.sums(70.0).items()) == {
        ann: [2, 4, 6, 8, 10, 12, 14],
        bob: [1, 2, 3, 4, 5, 6, 7],
    }
    assert dict(use.sums(200.0).items()) == {}


def test_scopes_have_tokens_and_requests() -> None:
    use = OwnUse(60.0)
    use.note(call("ann"), CHARGE, 1.0)
    use.note(call("bob"), CHARGE, 2.0)
    assert use.by_scope(3.0) == {
        "lane:sonnet": (22, 2),
        "agent:ann": (11, 1),
        "agent:bob": (11, 1),
        "team:red": (22, 2),
    }
    assert use.used_since(2.0) == {"lane:sonnet", "agent:bob", "team:red"}
