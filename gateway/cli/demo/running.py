"""A fleet at work: every worker makes one call after the other until the time is up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.ports import Clock

from .calling import Caller, open_caller
from .fleet import MINUTE_S, Member, Task, tasks

_AFTER_FAILURE_S = MINUTE_S / 12
"""An agent whose call failed for good begins its next task after five provider seconds."""
_LAST_CALLS_S = 2.0
"""Calls in flight at the end may be answered for so long; what still waits then is left out."""


class End(Enum):
    """How a task ended for its agent."""

    ANSWERED = auto()
    FAILED = auto()
    UNFINISHED = auto()


@dataclass(slots=True)
class Attempted:
    """One task that was begun.

    Attributes:
        began: Seconds since the epoch.
        end: How it ended; `None` while it runs.
        error: Why it failed, as the SDK says it.
    """

    task: Task
    began: float
    end: End | None = None
    error: str = ""


@dataclass(slots=True)
class Run:
    """One run of the fleet.

    Attributes:
        title: What is shown.
        seconds: How long new calls are made.
        attempted: All tasks begun so far.
    """

    title: str
    members: tuple[Member, ...]
    seconds: float
    seed: int
    attempted: list[Attempted] = field(default_factory=list)


@asynccontextmanager
async def callers(
    members: Iterable[Member], base_url: str, key_of: Callable[[Member], str]
) -> AsyncIterator[list[Caller]]:
    """An SDK client for each member.

    Args:
        members: The fleet.
        base_url: Provider or gateway, as the anthropic SDK wants it.
        key_of: The credential that a member uses there.
    """
    async with AsyncExitStack() as stack:
        yield [await open_caller(stack, one.dialect, base_url, key_of(one)) for one in members]


async def work(run: Run, callers: Iterable[Caller], clock: Clock) -> None:
    """Let the fleet of `run` work; `run.attempted` grows meanwhile.

    Args:
        run: Filled in.
        callers: One for each member.
        clock: For stamps.
    """
    stop = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(run.seconds, stop.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(run.seconds + _LAST_CALLS_S), asyncio.TaskGroup() as group:
                for member, caller in zip(run.members, callers, strict=True):
                    for number in range(member.workers):
                        plan = tasks(member, number, run.seed)
                        group.create_task(_worker(run, caller, plan, stop, clock))
    finally:
        timer.cancel()


async def _worker(
    run: Run,
    caller: Caller,
    plan: Iterator[tuple[float, Task]],
    stop: asyncio.Event,
    clock: Clock,
) -> None:
    for pause_s, task in plan:
        if await _stopped(stop, pause_s):
            return
        one = Attempted(task, clock.wall())
        run.attempted.append(one)
        try:
            await caller(task)
        except asyncio.CancelledError:
            one.end = End.UNFINISHED
            raise
        except Exception as error:  # noqa: BLE001 - whatever an SDK raises is how its call failed
            one.end, one.error = End.FAILED, f"{type(error).__name__}: {error}"
            if await _stopped(stop, _AFTER_FAILURE_S):
                return
        else:
            one.end = End.ANSWERED


async def _stopped(stop: asyncio.Event, pause_s: float) -> bool:
    """Pause; whether the time is up."""
    if pause_s > 0 and not stop.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await stop.wait()
    return stop.is_set()
