"""A gateway that translates for four speakers, and the same speakers straight at the providers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
from google.genai import errors as google_errors

from gateway.domain.call import Dialect
from gateway.domain.topology import Lane, Provider
from gateway.domain.translating import TranslatedApi
from gateway.simulator import RunningSimulator, start_simulator
from tests.contracts.speakers import SPEAKERS, Ask, Told
from tests.fixtures.gateway import KEY, gateway_settings, running_gateway
from tests.fixtures.simulator import UNLIMITED

CLAUDE, GPT, THINKER, GEMINI = "claude-sonnet-5", "gpt-4o-mini", "gpt-5-mini", "gemini-3.5-flash"
OWN = {CLAUDE: "anthropic", GPT: "chat", THINKER: "responses", GEMINI: "gemini"}
"""Each model's own format here: the provider of THINKER is called at the Responses API."""
DIALECTS = {"anthropic": "anthropic", "chat": "openai", "responses": "openai", "gemini": "gemini"}
PAIRS = [
    (caller, model)
    for caller in SPEAKERS
    for model, own in OWN.items()
    if DIALECTS[caller] != DIALECTS[own]
]
ERRORS = (anthropic.APIStatusError, openai.APIError, google_errors.APIError)


@dataclass
class Ground:
    """One simulator and one gateway for all tests here."""

    simulator: RunningSimulator
    url: str
    speakers: dict[str, Any]
    straight: dict[str, Any]

    async def ask(self, caller: str, ask: Ask, how: str = "whole") -> Told:
        """Ask through the gateway."""
        found: Told = await asyncio.to_thread(getattr(self.speakers[caller], how), ask)
        return found

    async def told_straight(self, ask: Ask) -> Told:
        """Ask the model in its own format, without a gateway."""
        found: Told = await asyncio.to_thread(self.straight[OWN[ask.model]].whole, ask)
        return found


@asynccontextmanager
async def translating(store_url: str) -> AsyncIterator[Ground]:
    """A gateway that translates, before all simulated providers; one is called at Responses."""
    async with start_simulator(replace(UNLIMITED, mean_output_tokens=40)) as simulator:
        settings = gateway_settings(simulator.url)
        topology = settings.topology
        thinker = Provider(
            "thinker",
            Dialect.OPENAI,
            f"{simulator.url}/v1",
            api_key=topology.providers["openai"].api_key,
            translated_api=TranslatedApi.RESPONSES,
        )
        lane = Lane("thinking", "thinker", ("gpt-5*",), charges_max_output=True)
        topology = replace(
            topology,
            providers={**topology.providers, "thinker": thinker},
            lanes={**topology.lanes, "thinking": lane},
        )
        settings = replace(settings, topology=topology)
        async with running_gateway(settings, store_url) as gateway:
            keys = UNLIMITED.keys
            ground = Ground(
                simulator,
                gateway.url,
                {name: make(gateway.url, KEY) for name, make in SPEAKERS.items()},
                {
                    name: make(simulator.url, keys[DIALECTS[name]])
                    for name, make in SPEAKERS.items()
                },
            )
            try:
                yield ground
            finally:
                for speaker in (*ground.speakers.values(), *ground.straight.values()):
                    speaker.sdk.close()
