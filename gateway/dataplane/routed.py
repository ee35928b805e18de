"""What routing decided about one call, and the reckoning when it has ended."""

from gateway.core.routing.costs import Shadowed, Side, counterfactual
from gateway.core.routing.decide import Verdict
from gateway.core.routing.escalation import refused_by_provider
from gateway.core.routing.ledger import Held
from gateway.domain.call import CallFacts
from gateway.domain.facts import Routed
from gateway.domain.outcome import Fault, ProviderVerdict
from gateway.domain.routes import Arm, Choice, Route, RouteMode, Trouble, Why
from gateway.domain.usage import Usage
from gateway.ports import Headers

from .parts import Parts
from .target import Target

_HEADS = 3
"""Tools, system and first message: what other conversations may begin with, too."""
_MOVED = frozenset({Arm.ROUTED, Arm.BOUND})
_NOBODY = Side("", 0, 0, caches=False, cached_from_tokens=0)


class Routing:
    """One call under one policy.

    Attributes:
        route: The policy.
        mode: The mode in force.
        stay: The target without a move.
        asked: The model that was asked for, as the client wrote it.
        sides: Both models as the costs see them: stay, move.
    """

    __slots__ = (
        "_doubted", "_facts", "_move", "_parts", "_sign", "_warm", "asked", "conversation", "mode", "retry",
        "route", "sides", "stay", "verdict",
    )  # fmt: skip

    def __init__(
        self, route: Route, mode: RouteMode, stay: Target, asked: str, parts: Parts
    ) -> None:
        self.route = route
        self.mode = mode
        self.stay = stay
        self.asked = asked
        self.sides = (_NOBODY, _NOBODY)
        self.verdict = Verdict(Choice.STAY, Why.ASKED_OFF, lasts=False)
        self.conversation = ""
        self.retry = False
        self._warm = 0
        self._facts: CallFacts | None = None
        self._move = stay
        self._parts = parts
        self._sign = ""
        self._doubted = False

    def weigh(
        self, facts: CallFacts, move: Target, sides: tuple[Side, Side], warm: int | None
    ) -> None:
        """What is compared. A cache of which nothing is known is reckoned as warm as it can be."""
        self._facts, self._move, self.sides = facts, move, sides
        self._warm = sides[0].prompt_tokens if warm is None else warm

    def decided(self, verdict: Verdict, conversation: str, *, retry: bool) -> None:
        """The decision has fallen."""
        self.verdict = verdict
        self.conversation = conversation
        self.retry = retry

    @property
    def moves(self) -> bool:
        """Whether the simple model is asked first."""
        return self.verdict.moves and self.mode is RouteMode.ENFORCE

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is tried, in order: after the simple model, the one that was asked for."""
        return (self._move, self.stay) if self.moves else (self.stay,)

    def price(self, model: str, usage: Usage) -> tuple[int, bool]:
        """What so much would cost on one of the two models."""
        target = self.stay if model == self.stay.model else self._move
        cost = self._parts.price(target.provider, (model,), usage, self._parts.clock.wall())
        return cost.microusd, cost.priced

    def unfit(self, target: Target, status: int, verdict: ProviderVerdict, body: bytes) -> bool:
        """Whether the simple model has refused a call that the other may take.

        Any refusal of a moved call is worth asking the model that the caller named: nobody is worse
        off for a route. Where the provider says why, or where the other then answers, the
        conversation is taken back for good.
        """
        moved = self.moves and target is self._move
        if not moved or verdict is not ProviderVerdict.CALLER_ERROR:
            return False
        sign = refused_by_provider(status, verdict, body)
        if sign:
            self._take_back(sign)
        else:
            self._doubted = True
        return True

    def _take_back(self, sign: str) -> None:
        self._sign = sign
        self._parts.ledger.take_back(self.conversation, self._parts.clock.wall())

    def headers(self, target: Target | None) -> Headers:
        """Policy, mode, choice and reason, as a structured field (RFC 8941), and what was asked.

        Args:
            target: The option that answers, if one does.
        """
        verdict = self.verdict
        back = bool(self._sign) or (self._doubted and target is self.stay)
        why = Why.ESCALATED if back else verdict.why
        choice = Choice.STAY if back else verdict.choice
        told = f"{self.route.name};mode={self.mode};choice={choice};reason={why}"
        if target is not None and not any(target is one for one in self.targets):
            told += ";fallback"
        name = self.asked.encode("latin-1", "replace")
        return [
            (b"x-gateway-route", told.encode()),
            (b"x-gateway-requested-model", name if self.asked.isprintable() else b"?"),
        ]

    def finish(
        self,
        request_id: str,
        answered: Target | None,
        usage: Usage,
        actual: int,
        fault: Fault | None,
    ) -> Routed:
        """The reckoning of a call that has ended, told to the ledger as well.

        Args:
            request_id: Names the call.
            answered: The target that answered last; `None` if none did.
            usage: What was used there.
            actual: What all attempts cost, in micro-dollars.
            fault: Whose fault an unsuccessful call was.
        """
        moved = answered is not None and answered is self._move and self.moves
        if self._doubted and answered is self.stay and fault is None and usage.total_tokens:
            self._take_back("refused")
        stay, other = actual, actual
        if usage.total_tokens and self._facts is not None and self._move is not self.stay:
            stay, other = self._reckon(moved, usage, actual)
            self._share(answered, usage)
        verdict = self.verdict
        arm = verdict.arm if self.mode is not RouteMode.OFF else Arm.STAYED
        routed = Routed(
            mode=self.mode,
            decision=Choice.STAY if self._sign else verdict.choice,
            reason=Why.ESCALATED if self._sign else verdict.why,
            asked=self.asked,
            chosen=self._move.model if verdict.moves and not self._sign else self.stay.model,
            saved_microusd=self._saved(arm, actual, stay, other),
            policy=self.route.name,
            detail=self._sign or verdict.detail,
            moved=moved,
            arm=arm,
            score=verdict.score,
            conversation=self.conversation,
            troubles=self._troubles(fault),
            stay_microusd=stay,
            other_microusd=other,
        )
        self._parts.ledger.finished(request_id, routed, actual, self._parts.clock.wall())
        return routed

    def _share(self, answered: Target | None, usage: Usage) -> None:
        """Let other replicas know which beginnings of prompts are warm now."""
        facts = self._facts
        if answered is None or facts is None or not facts.prefixes:
            return
        if usage.cache_read_tokens + usage.cache_write_tokens == 0:
            return
        now = self._parts.clock.wall()
        for prefix in facts.prefixes[:_HEADS]:
            self._parts.ledger.warmed(answered.model, prefix.digest, facts.cache_lifetime_s, now)

    def _saved(self, arm: Arm, actual: int, stay: int, other: int) -> int:
        if arm in _MOVED:
            return stay - actual
        return stay - other if arm is Arm.SHADOW and self.verdict.moves else 0

    def _reckon(self, moved: bool, usage: Usage, actual: int) -> tuple[int, int]:
        """The costs of staying and of the other model, of which one may be what was paid."""
        ledger, now = self._parts.ledger, self._parts.clock.monotonic()
        held = ledger.held(self.conversation) or Held(Shadowed(self._warm, now + 1.0))
        lifetime_s = 0 if self._facts is None else self._facts.cache_lifetime_s
        stay_side, move_side = self._measured(moved, usage)
        would_stay, after_stay = counterfactual(stay_side, usage, held.stay, now, lifetime_s)
        would_move, after_move = counterfactual(move_side, usage, held.move, now, lifetime_s)
        stay, other = actual, actual
        if self.verdict.arm in _MOVED:
            # It may have been moved before: what staying would have cost is not what was paid.
            stay = self.price(stay_side.model, would_stay)[0]
        if not moved:
            other = self.price(move_side.model, would_move)[0]
        ledger.hold(self.conversation, Held(after_stay, after_move))
        return stay, other

    def _measured(self, moved: bool, usage: Usage) -> tuple[Side, Side]:
        """Both sides with the tokens that were used, by each model's own tokenizer."""
        stay, move = self.sides
        ratio = stay.prompt_tokens / move.prompt_tokens if move.prompt_tokens else 1.0
        here = 1.0 if not moved else ratio
        there = 1.0 if moved else 1 / ratio if ratio else 1.0
        return (
            Side(
                stay.model,
                round(usage.prompt_tokens * here),
                round(usage.output_tokens * here),
                stay.caches,
                stay.cached_from_tokens,
            ),
            Side(
                move.model,
                round(usage.prompt_tokens * there),
                round(usage.output_tokens * there),
                move.caches,
                move.cached_from_tokens,
            ),
        )

    def _troubles(self, fault: Fault | None) -> tuple[Trouble, ...]:
        found = []
        if fault in {Fault.PROVIDER, Fault.GATEWAY}:
            found.append(Trouble.ERROR)
        if self.retry:
            found.append(Trouble.RETRY)
        if self._sign or self.verdict.sign:
            found.append(Trouble.ESCALATION)
        return tuple(found)
