"""One request, from ASGI scope to last byte: the whole story on one screen.

    locate → identify → read → route → for each option: estimate → admit → dispatch → relay
    → settle → record

Each stage hands the call forward; none reaches back. A stage that says no raises `Refused`, and
the answer is given here, once, in the caller's dialect.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from gateway.dialects.codec import Codec
from gateway.dialects.translation.untranslatable import Untranslatable
from gateway.domain.call import CallFacts, Endpoint
from gateway.domain.outcome import Reason, Refusal, UpstreamFailure
from gateway.domain.topology import Agent

from . import stages
from .asgi import Receive, Scope, Send, arrival
from .attempts import Attempts
from .body import read_body
from .call import Call, Plan
from .crowd import Crowd, Place
from .failing import fail, refuse
from .identify import identify
from .keepalive import KeepAlive
from .models import ModelLists
from .options import options
from .parts import Parts
from .passthrough import pass_through
from .presence import Presence
from .refused import ClientGone, Refused, refused
from .reservation import Reservation
from .respond import Responder
from .routing import Router
from .target import Destinations, Target

log = logging.getLogger("gateway.dataplane")


class Pipeline:
    """The data plane as one ASGI application for HTTP scopes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._models = ModelLists(parts)
        self._router = Router(parts)
        self._destinations = Destinations(parts.directory.topology, parts.settings.max_own_lanes)
        self._crowd = Crowd(parts.settings.room, parts.settings.max_body_bytes)
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        parts = self._parts
        request = arrival(scope)
        call = Call(
            request_id=next(parts.request_ids),
            request=request,
            responder=Responder(send),
            clock=parts.clock,
            accepted_at=parts.clock.monotonic(),
            trace=None if parts.tracer is None else parts.tracer(request.fields),
        )
        self.in_flight += 1
        try:
            await self._serve(call, receive)
        finally:
            self.in_flight -= 1
            parts.observer.call_finished(call.record(parts.clock.monotonic()))

    async def _serve(self, call: Call, receive: Receive) -> None:
        try:
            await self._run(call, receive)
        except Refused as said:
            await refuse(call, said.refusal)
        except UpstreamFailure as failure:
            await fail(call, failure)
        except ClientGone:
            call.gone = True
        except Exception:  # the edge: an unknown error is logged and never leaks its text
            log.exception("call %s failed", call.request_id)
            await refuse(call, Refusal(Reason.INTERNAL, "The gateway failed; its log says why."))

    async def _run(self, call: Call, receive: Receive) -> None:
        parts, destinations = self._parts, self._current()
        codec = stages.locate(call, destinations)
        agent = self._agent(identify(call.request, parts.directory).agent)
        stages.preferences(call, agent, destinations.topology.queue)
        holds_body = call.matched.endpoint is not Endpoint.PASSTHROUGH
        with self._crowd.enter(call, holds_body=holds_body) as place:
            await self._go_on(call, codec, agent, destinations, receive, place)

    async def _go_on(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        destinations: Destinations,
        receive: Receive,
        place: Place,
    ) -> None:
        parts, endpoint = self._parts, call.matched.endpoint
        if endpoint is Endpoint.MODELS:
            reply = await self._models.reply(call, codec, agent, destinations)
            await call.responder.whole(reply, call.own_headers())
            return
        facts = None
        if endpoint is not Endpoint.PASSTHROUGH:
            settings = parts.settings
            call.body = await read_body(
                call.request,
                receive,
                settings.max_body_bytes,
                settings.body_pause_s,
                place.grow,
            )
            call.body_unread = False
            if (stopped := parts.gates.agent(agent.name)) is not None:
                raise Refused(stopped)  # with the body read, so that its sender hears of it
            facts = stages.understand(call, codec, settings.max_body_bytes)
            if agent.cache_assist:
                facts = await parts.assistance.marker.mark(call, codec, agent, facts)
        target = self._route(call, codec, agent, facts, destinations)
        if facts is None:
            if (stopped := parts.gates.agent(agent.name)) is not None:
                raise Refused(stopped)
            plan = stages.plan(call, codec, agent, None, target, parts)
            # Without the server's word, who leaves is seen where the body is read.
            with (
                Presence(None, call.request.client) as presence,
                Reservation(parts.admission, plan.ticket) as reservation,
            ):
                await pass_through(call, plan, reservation, receive, parts)
            call.gone = presence.gone
            return
        targets = options(call, agent, facts, target, destinations)
        if call.routing is not None and call.routing.moves:
            targets = (*call.routing.targets, *(t for t in targets if t != target))
        call.options = len(targets)
        plan_for = partial(self._plan, call, codec, agent, facts)
        await self._converse(call, codec, facts, targets, plan_for, receive)

    def _route(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts | None,
        destinations: Destinations,
    ) -> Target:
        """The target without a move; what a policy decides stays with the call."""
        if facts is not None and destinations.topology.routes:
            call.routing = self._router.route(call, codec, agent, facts, destinations)
            if call.routing is not None and call.routing.stay.model != facts.model:
                return call.routing.stay
        return stages.route(call, codec, agent, facts, destinations)

    def _plan(
        self, call: Call, codec: Codec, agent: Agent, facts: CallFacts, target: Target
    ) -> Plan:
        """The plan of an option.

        Raises:
            Refused: What the caller asked for cannot be said in the dialect of its model.
            ValueError: The call cannot be put to a model that was not asked for.
        """
        try:
            return stages.plan(call, codec, agent, facts, target, self._parts)
        except Untranslatable as fault:
            if call.moved or (call.routing is not None and call.routing.moves):
                raise ValueError(fault.message) from None
            raise refused(Reason.BAD_REQUEST, fault.message, param=fault.param) from None

    async def _converse(
        self,
        call: Call,
        codec: Codec,
        facts: CallFacts,
        targets: Sequence[Target],
        plan_for: Callable[[Target], Plan],
        receive: Receive,
    ) -> None:
        """Try the options, for as long as the client is there."""
        keepalive = KeepAlive(call, codec, self._parts.settings)
        with Presence(receive, call.request.client) as presence:
            attempts = Attempts(
                call,
                self._parts,
                plan_for,
                facts,
                presence,
                keepalive,
                targets,
            )
            try:
                await attempts.run()
            finally:
                if keepalive.begun:
                    await keepalive.stop()
        call.gone = presence.gone

    def _agent(self, name: str) -> Agent:
        return self._destinations.topology.agents.get(name) or Agent(name)

    def _current(self) -> Destinations:
        """Destinations of the snapshot in force."""
        topology = self._parts.directory.topology
        if topology is not self._destinations.topology:
            self._destinations = Destinations(topology, self._parts.settings.max_own_lanes)
        return self._destinations
