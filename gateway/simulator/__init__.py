"""The provider simulator: Anthropic, OpenAI and Gemini on one port, with limits that are enforced.

It imports nothing from the rest of the gateway: its counters are the independent measure of the
product, so it must not share the product's mistakes.
"""

from gateway.simulator.app import SimulatorApp, create_app
from gateway.simulator.faults import FaultRule
from gateway.simulator.ledger import CallRecord, Totals
from gateway.simulator.server import RunningSimulator, serve, start_simulator
from gateway.simulator.settings import LimitRule, Limits, SimulatorSettings
from gateway.simulator.state import SimulatorState
from gateway.simulator.tokenizer import count_tokens

__all__ = [
    "SimulatorSettings",
    "Limits",
    "LimitRule",
    "FaultRule",
    "create_app",
    "SimulatorApp",
    "start_simulator",
    "RunningSimulator",
    "serve",
    "SimulatorState",
    "CallRecord",
    "Totals",
    "count_tokens",
]
