"""What the providers saw: the simulator's log, call by call, and its few controls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import msgspec

_PROVIDER_MINUTE_S = 60.0


class Record(msgspec.Struct, frozen=True):
    """One HTTP call that reached a provider and has ended, as the simulator logs it.

    Attributes:
        seq: Position in the log.
        time: Arrival, seconds since the epoch.
        started_s: Arrival on the simulator's clock.
        ended_s: End on the same clock.
        client: The id of the task it belongs to.
        whole: Answered to the last byte.
        charged: What it took from each rate limit: `requests`, `input_tokens`, `output_tokens`,
            `tokens`.
    """

    seq: int
    time: float
    started_s: float
    ended_s: float
    dialect: str
    client: str
    status: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    charged: dict[str, int]
    whole: bool

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        prompt = self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
        return prompt + self.output_tokens

    @property
    def agent(self) -> str:
        """Whose task it was."""
        return self.client.partition("/")[0]


class _Stats(msgspec.Struct):
    now_s: float
    in_flight: int


_records = msgspec.json.Decoder(list[Record])
_stats = msgspec.json.Decoder(_Stats)


class ProviderSide:
    """The simulator's control endpoints. Use `provider_side`."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._seen = 0
        self.records: list[Record] = []
        self.now_s = 0.0
        self.in_flight = 0

    async def begin(self, minute_s: float) -> None:
        """Full buckets, an empty log, and models as fast as their minute is short.

        Args:
            minute_s: What the simulator calls a minute.
        """
        shorter = minute_s / _PROVIDER_MINUTE_S
        settings = {"ttft_s": 0.5 * shorter, "tokens_per_s": 50 / shorter, "chunk_tokens": 16}
        (await self._http.put("/_sim/settings", json=settings)).raise_for_status()
        (await self._http.post("/_sim/reset")).raise_for_status()
        self.records = []
        await self.look()

    async def ended(self) -> None:
        """Read the rest once every call has ended."""
        await self.look()
        while self.in_flight:
            await self.look()

    async def look(self) -> None:
        """Read what has happened since the last look."""
        answer = await self._http.get("/_sim/log", params={"since": self._seen})
        new = _records.decode(answer.content)
        if new:
            self.records.extend(new)
            self._seen = new[-1].seq
        stats = _stats.decode((await self._http.get("/_sim/stats")).content)
        self.now_s, self.in_flight = stats.now_s, stats.in_flight


@asynccontextmanager
async def provider_side(simulator_url: str) -> AsyncIterator[ProviderSide]:
    """The controls of a running simulator."""
    async with httpx2.AsyncClient(base_url=simulator_url, trust_env=False) as http:
        yield ProviderSide(http)
