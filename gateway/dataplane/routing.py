"""The route stage: for calls that a policy matches, which of its two models is asked first.

Failure policy: what cannot be known, found or understood means staying with the model that was
asked for; a mistake in here is logged and means the same. Only `auto`, which names no model, is
refused where no policy says what it means.
"""

import logging
from functools import partial

from gateway.core.routing.conversations import PIN_LIFETIME_S, Pin, conversation
from gateway.core.routing.costs import Comparison, Side, compare, sides
from gateway.core.routing.decide import Question, Verdict, decide, pin_of
from gateway.core.routing.ledger import RouteLedger
from gateway.core.routing.matching import Caller, is_virtual, matching
from gateway.core.routing.models import unmet
from gateway.core.routing.score import Score, structural
from gateway.dialects.codec import Codec
from gateway.domain.call import CallFacts, Endpoint
from gateway.domain.outcome import Reason
from gateway.domain.routes import AUTO, Preference, Route, RouteMode
from gateway.domain.signals import Signals
from gateway.domain.topology import Agent
from gateway.domain.translating import Translating
from gateway.domain.usage import Usage

from . import stages
from .body import decoded
from .call import Call
from .options import fits
from .parts import Parts
from .refused import refused
from .routed import Routing
from .session import session_of
from .target import Destinations, Target

log = logging.getLogger("gateway.dataplane")

ROUTED = frozenset({Endpoint.MESSAGES, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.GENERATE})
"""Endpoints where one model can stand in for another."""
NAMED = b"x-gateway-session"
_WANTED = b"x-gateway-route"
_CLASS = b"x-claude-code-request-class"
_BETAS = b"anthropic-beta"
_RETRY_COUNT = b"x-stainless-retry-count"
_RANKED = Usage(input_tokens=30_000, output_tokens=10_000)
"""By its price models are told cheaper from dearer."""


class Router:
    """Decides for calls."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._began_s = parts.clock.monotonic()

    @property
    def ledger(self) -> RouteLedger:
        """What is known of the routes."""
        return self._parts.ledger

    def route(
        self, call: Call, codec: Codec, agent: Agent, facts: CallFacts, destinations: Destinations
    ) -> Routing | None:
        """What a policy decides about a call; `None` where none matches.

        Raises:
            Refused: `bad_request` for a preference that is none, `unknown_model` for `auto` where
                no policy says what it means.
        """
        if call.matched.endpoint not in ROUTED:
            if is_virtual(facts.model):
                raise refused(
                    Reason.UNKNOWN_MODEL,
                    f"{facts.model[:80]} stands for more than one model; name one of them here.",
                    param="model",
                )
            return None
        caller = Caller(facts.model, agent.name, agent.team, call.priority, call.path, call.tags)
        route = matching(destinations.topology.routes, caller)
        if route is None:
            if is_virtual(facts.model):
                raise refused(
                    Reason.UNKNOWN_MODEL,
                    f"No route says what {facts.model[:80]} means for {agent.name}: one that "
                    f"matches must have `complex`, and be named what follows `{AUTO}:`.",
                    param="model",
                )
            return None
        if not is_virtual(facts.model) and not destinations.may_use(agent, facts.model):
            return None  # refused by the next stage
        wanted = _preference(call, route)
        stay = self._staying(call, codec, agent, facts, route, destinations)
        routing = Routing(route, self.ledger.mode_of(route), stay, facts.model, self._parts)
        if routing.mode is RouteMode.OFF:
            return routing if is_virtual(facts.model) else None
        try:
            self._decide(call, codec, agent, facts, routing, wanted, destinations)
        except Exception:  # the promise of this stage: a call is never worse off for it
            log.exception("call %s: no decision", call.request_id)
        return routing

    def _staying(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts,
        route: Route,
        destinations: Destinations,
    ) -> Target:
        """The target without any move: what was asked for, or what `auto` means."""
        if not is_virtual(facts.model):
            return stages.asked(call, codec, facts.model, destinations)
        found = self._target(call, codec, agent, facts, route.complex, destinations)
        if isinstance(found, str):
            raise refused(
                Reason.UNKNOWN_MODEL,
                f"{facts.model[:80]} means {route.complex} here, which cannot answer this call "
                f"({found}).",
                param="model",
            )
        return found

    @staticmethod
    def _target(
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts,
        model: str,
        destinations: Destinations,
    ) -> Target | str:
        """The target of a model that the policy names, or what keeps the call from it."""
        if call.provider_name is None:
            found = destinations.named(model, codec.dialect)
        else:
            found = destinations.find(codec.dialect, call.provider_name, model)
        if found is None:
            return "provider"
        if not destinations.may_use(agent, found.model):
            return "not allowed"
        here = stages.asked(call, codec, facts.model, destinations)
        crosses = destinations.topology.translation is not Translating.OFF
        return found if fits(call, facts, here, found, crosses=crosses) else "dialect"

    def _decide(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts,
        routing: Routing,
        wanted: Preference,
        destinations: Destinations,
    ) -> None:
        route, parts = routing.route, self._parts
        plain = call.body
        if not call.body_changed:
            plain = decoded(call.request, call.body, parts.settings.max_body_bytes)
        signals = codec.signals(call.matched, plain)
        simple = self._target(call, codec, agent, facts, route.simple, destinations)
        lacks = simple if isinstance(simple, str) else ""
        move = routing.stay if isinstance(simple, str) else simple
        name = _conversation(call, agent, route, facts, signals)
        now = parts.clock.wall()
        pin = self.ledger.pins.get(name, now) if name else None
        warm = self._warm(agent, facts, signals, routing.stay)
        routing.weigh(facts, move, self._sides(agent, facts, routing.stay, move), warm)
        asked = Question(
            route=route,
            mode=routing.mode,
            facts=facts,
            signals=signals,
            preference=wanted,
            retry=_is_retry(call),
            conversation=name,
            pin=pin,
            unmet=lacks or self._unmet(call, facts, signals, move, route, routing),
            above_ceiling=self._dearer(routing.stay, agent.ceiling, destinations)
            and not self._dearer(move, agent.ceiling, destinations),
            below_floor=self._cheaper(move, agent.floor, destinations),
            warm=warm,
            compare=partial(self._compare, routing),
            score=partial(self._score, route, signals, facts),
            request_class=call.request.fields.get(_CLASS, b"").decode("latin-1"),
        )
        verdict = decide(asked)
        self._remember(routing, asked, verdict, now)

    def _remember(self, routing: Routing, asked: Question, verdict: Verdict, now: float) -> None:
        routing.decided(verdict, asked.conversation if verdict.lasts else "", retry=asked.retry)
        pin = pin_of(asked, verdict, now + PIN_LIFETIME_S)
        if asked.pin is None:
            self.ledger.begun(asked.route.name, verdict.arm)
        if pin is not None:
            self.ledger.remember(asked.conversation, pin)
        elif asked.pin is not None and asked.pin.until - now < PIN_LIFETIME_S / 2:
            self.ledger.remember(asked.conversation, _renewed(asked.pin, now + PIN_LIFETIME_S))

    def _sides(
        self, agent: Agent, facts: CallFacts, stay: Target, move: Target
    ) -> tuple[Side, Side]:
        """Both models, as the costs see them."""
        now = self._parts.clock.monotonic()
        return sides(
            stay.model,
            move.model,
            self._parts.book.estimate(agent.name, stay.model, facts, now),
            cached=facts.cache_lifetime_s > 0,
            same_dialect=move.provider.dialect is stay.provider.dialect,
        )

    def _compare(self, routing: Routing, warm_tokens: int) -> Comparison:
        share = self.ledger.escalation_share(routing.route.name)
        stay, move = routing.sides
        return compare(stay, move, warm_tokens, routing.price, share)

    def _warm(self, agent: Agent, facts: CallFacts, signals: Signals, stay: Target) -> int | None:
        """How much of the prompt the requested model's cache holds; `None`: not known.

        A prefix that nobody here has seen within its lifetime is cold, if the conversation begins
        with this call and this replica knows what the others have seen.
        """
        if facts.cache_lifetime_s <= 0:
            return 0
        now = self._parts.clock.monotonic()
        guess = self._parts.book.estimate(agent.name, stay.model, facts, now)
        if guess.cached_tokens > 0:
            return guess.cached_tokens
        watched = self.ledger.complete or now - self._began_s > facts.cache_lifetime_s
        return 0 if watched and signals.turns == 0 else None

    def _unmet(
        self,
        call: Call,
        facts: CallFacts,
        signals: Signals,
        move: Target,
        route: Route,
        routing: Routing,
    ) -> str:
        """What the simple model lacks for this call; empty if nothing."""
        betas = call.request.fields.get(_BETAS, b"").decode("latin-1").split(",")
        _, side = routing.sides
        return unmet(
            move.model,
            signals.needs,
            side.prompt_tokens + (facts.max_output_tokens or side.output_tokens),
            unknown=signals.unknown if facts.text_only_output else (*signals.unknown, "output"),
            betas=[beta.strip() for beta in betas if beta.strip()],
            can=route.can,
            context_tokens=route.context_tokens,
        )

    def _score(self, route: Route, signals: Signals, facts: CallFacts) -> Score:
        scorer = self._parts.scorers.get(route.scorer) if route.scorer else None
        return structural(signals, facts) if scorer is None else scorer(signals, facts)

    def _dearer(self, one: Target, than: str | None, destinations: Destinations) -> bool:
        ranks = self._ranks(one, than, destinations)
        return ranks is not None and ranks[0] > ranks[1]

    def _cheaper(self, one: Target, than: str | None, destinations: Destinations) -> bool:
        """Whether a model is below a floor; of an unknown price it is taken to be."""
        if than is None:
            return False
        ranks = self._ranks(one, than, destinations)
        return ranks is None or ranks[0] < ranks[1]

    def _ranks(
        self, one: Target, other: str | None, destinations: Destinations
    ) -> tuple[int, int] | None:
        """The prices of two models, if both are known."""
        bound = None if other is None else destinations.named(other, one.provider.dialect)
        if bound is None:
            return None
        now = self._parts.clock.wall()
        mine = self._parts.price(one.provider, (one.model,), _RANKED, now)
        its = self._parts.price(bound.provider, (bound.model,), _RANKED, now)
        return (mine.microusd, its.microusd) if mine.priced and its.priced else None


def _renewed(pin: Pin, until: float) -> Pin:
    return Pin(pin.route, pin.choice, pin.why, pin.arm, pin.escalated, pin.troubled, until)


def _preference(call: Call, route: Route) -> Preference:
    """What the caller wants, as far as the policy lets it."""
    value = call.request.fields.get(_WANTED)
    if value is None:
        return Preference.AUTO
    try:
        wanted = Preference(value.decode("latin-1").strip().lower())
    except ValueError:
        raise refused(
            Reason.BAD_REQUEST, "x-gateway-route must be off, auto, cheap or strong."
        ) from None
    return wanted if wanted in route.headers else Preference.AUTO


def _is_retry(call: Call) -> bool:
    return call.request.fields.get(_RETRY_COUNT, b"0") not in {b"0", b""}


def _conversation(
    call: Call, agent: Agent, route: Route, facts: CallFacts, signals: Signals
) -> str:
    fields = call.request.fields
    session = session_of(fields, facts)
    return conversation(
        agent.name,
        route.name,
        named=fields.get(NAMED, b"")[:128].decode("latin-1"),
        session="" if session is None else session.id,
        branch="" if session is None else session.thread,
        opening=signals.opening,
    )
