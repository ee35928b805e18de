"""Tokens used by one call, normalised over the dialects."""

from .value import value


@value
class ModelUsage:
    """What one more model used inside a call: an advisor, or one that declined before a fallback.

    Attributes:
        model: As the provider names it.
        usage: Its own; without `others`.
    """

    model: str
    usage: "Usage"


@value
class Usage:
    """Token counts of one call.

    `input_tokens` excludes everything read from or written to a prompt cache in every dialect
    (Anthropic reports it so; OpenAI and Gemini report a total that includes it, provider-facts
    A2, B3, B10). `output_tokens` includes `reasoning_tokens`.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """All tokens written to the cache, whatever their lifetime."""
    cache_write_1h_tokens: int = 0
    """The part of `cache_write_tokens` with the long lifetime (Anthropic 1 h, OpenAI 12 h)."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    service_tier: str = ""
    """The tier served, as the provider names it; empty if not told."""
    audio_input_tokens: int = 0
    """The part of `input_tokens` that was audio, which may have a price of its own."""
    audio_output_tokens: int = 0
    """The part of `output_tokens` that was audio."""
    us_only: bool = False
    """The provider kept the call within the US (`inference_geo`), for a surcharge."""
    web_searches: int = 0
    """Web searches that the provider ran and bills."""
    others: tuple[ModelUsage, ...] = ()
    """What other models used inside the call; in none of the counts above."""
    exact: bool = True
    """False when the provider's count was not seen and this is our own estimate."""

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output."""
        return self.prompt_tokens + self.output_tokens
