"""Everything about a simulator that can be set, as one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ANTHROPIC = "anthropic"
OPENAI = "openai"
GEMINI = "gemini"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model class may use in one provider minute; `None` is no limit.

    Which fields act depends on the dialect: Anthropic `rpm`, `itpm`, `otpm`; OpenAI `rpm`, `tpm`;
    Gemini `rpm`, `itpm` (provider-facts A4, B5, B12). `concurrency` acts in all of them.

    Attributes:
        rpm: Requests.
        itpm: Input tokens as the dialect counts them.
        otpm: Output tokens as they are produced.
        tpm: Tokens charged on arrival (OpenAI).
        concurrency: Calls in flight at once.
        count_rpm: Requests to the token counting endpoint (Anthropic, a bucket of its own).
        burst: Capacity of each bucket as a share of a minute's allowance; 1 lets a minute's worth
            through at once, 1/60 enforces it second by second.
    """

    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    count_rpm: int | None = None
    burst: float = 1.0


@dataclass(frozen=True, slots=True)
class LimitRule:
    """Limits of the models that a glob matches; the first matching rule of a dialect acts.

    Attributes:
        models: Glob over model ids.
        limits: The limits.
        shared: True lets all matched models draw on one bucket; False gives each model class
            (provider-facts A4: Opus 4.5 to 4.8 are one, and so on) its own.
    """

    models: str
    limits: Limits
    shared: bool = False


def _default_keys() -> Mapping[str, str]:
    return {ANTHROPIC: "sim-anthropic-key", OPENAI: "sim-openai-key", GEMINI: "sim-gemini-key"}


def _default_limits() -> Mapping[str, tuple[LimitRule, ...]]:
    start_tier = Limits(rpm=1000, itpm=2_000_000, otpm=400_000, count_rpm=2000)
    return {
        ANTHROPIC: (
            LimitRule("claude-fable-*", Limits(1000, 500_000, 100_000, count_rpm=2000)),
            LimitRule("*", start_tier),
        ),
        OPENAI: (LimitRule("*", Limits(rpm=500, tpm=200_000)),),
        GEMINI: (LimitRule("*", Limits(rpm=1000, itpm=1_000_000)),),
    }


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """How the simulated providers behave.

    Attributes:
        keys: The one true credential of each dialect.
        limits: Limit rules of each dialect, first match wins; no match is unlimited.
        extra_models: Further model ids of each dialect that exist (an OpenAI-compatible server).
        minute_s: Seconds in the provider's minute. Shorter than 60 scales every limit, every
            `retry-after` and every cache lifetime alike.
        ttft_s: Seconds until the head of a generated answer.
        tokens_per_s: Output speed of one call; 0 produces at once.
        chunk_tokens: Output tokens in one streamed chunk.
        mean_output_tokens: Mean of the seeded output length where the prompt asks for none.
        thinking_tokens: Length of thinking where the prompt asks for none.
        seed: Changes the text and the length of every answer.
        compress: Gzip answers (streams too) for clients that accept it.
        max_body_bytes: Larger request bodies are answered 413.
        client_header: Request header whose value is kept in each record.
        log_limit: Number of records kept.
        capture: Number of whole requests (head and body) kept for inspection.
    """

    keys: Mapping[str, str] = field(default_factory=_default_keys)
    limits: Mapping[str, tuple[LimitRule, ...]] = field(default_factory=_default_limits)
    extra_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    minute_s: float = 60.0
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0
    chunk_tokens: int = 8
    mean_output_tokens: int = 200
    thinking_tokens: int = 48
    seed: int = 0
    compress: bool = False
    max_body_bytes: int = 32 * 1024 * 1024
    client_header: str = "x-sim-client"
    log_limit: int = 200_000
    capture: int = 0

    def __post_init__(self) -> None:
        """Refuse values that would divide by zero later.

        Raises:
            ValueError: A duration, size or speed makes no sense.
        """
        if self.minute_s <= 0 or self.chunk_tokens < 1:
            raise ValueError("minute_s and chunk_tokens must be positive")
        if self.ttft_s < 0 or self.tokens_per_s < 0:
            raise ValueError("ttft_s and tokens_per_s must not be negative")

    @property
    def scale(self) -> float:
        """Real seconds per provider second."""
        return self.minute_s / 60.0
