"""What a call will use, guessed before it runs from what earlier calls did use.

Four things are learned, all in memory and all bounded:

- *bytes per token* of each (agent, model), since an agent's prompts keep their character (code,
  prose, a language) and every model has its own tokenizer;
- *output tokens* of each (agent, model), as a quantile of its recent answers: holding the
  requested maximum would block a limit of which little is spent (field-notes 5);
- *bytes per output token* of each (agent, model), from streams that ended: what an answer has used
  so far while it runs, or when it was cut;
- *cached prefixes* of each model: a prompt whose beginning was sent within the cache's lifetime
  will be read from the provider's cache, and Anthropic does not count that (provider-facts A4).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from math import ceil

from gateway.domain.call import CallFacts
from gateway.domain.usage import Usage
from gateway.domain.value import value

PRIOR_BYTES_PER_TOKEN = 3.6
"""English and code mixed, JSON punctuation included; replaced after the first answer."""
DENSE_BYTES_PER_TOKEN = PRIOR_BYTES_PER_TOKEN / 1.3
"""Claude's tokenizer from 4.7 on makes about 30 % more tokens of a text (provider-facts A6)."""
_DENSE_MODELS = (
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5",
    "claude-fable-",
    "claude-mythos-",
)
LEAST_BYTES_PER_ANSWER_TOKEN = 2.0
"""Text is hardly ever denser. Short prompts can seem to be, since a provider adds fixed tokens to
them (for tools, some hundreds), and of these there are none in an answer."""
PRIOR_OUTPUT_TOKENS = 400
PRIOR_WEIGHT_TOKENS = 200.0
"""How many observed tokens outweigh the prior."""
MEMORY = 0.8
"""What an earlier call weighs against the next one."""
OUTPUT_QUANTILE = 0.8
OUTPUT_WINDOW = 32
OUTPUT_HEADROOM = 1.25
"""Over the largest recent answer: what an answer hardly exceeds."""
PRIOR_OUTPUT_BOUND = 4 * PRIOR_OUTPUT_TOKENS
PRIOR_INPUT_EXCESS = 1.3
"""How far the prior may be too low: the tokenizers of newer models, dense text."""
EXCESS_MEMORY = 0.97
"""What is left, after another call, of the share by which an earlier one was underestimated."""
MAX_SUBJECTS = 10_000
MAX_PREFIXES = 50_000


@value
class Estimate:
    """Expected use of one call, in tokens.

    Attributes:
        input_tokens: The whole prompt, cached or not.
        cached_tokens: The part of it expected to be read from a prompt cache.
        output_tokens: A quantile of the expected output, capped by the requested maximum.
        input_bound, output_bound: What it hardly exceeds, as far as recent calls tell.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    input_bound: int = 0
    output_bound: int = 0


@dataclass(slots=True)
class _Subject:
    """What is known of one (agent, model)."""

    prompt_bytes: float
    prompt_tokens: float = PRIOR_WEIGHT_TOKENS
    outputs: list[int] = field(default_factory=list)
    output_quantile: int = PRIOR_OUTPUT_TOKENS
    output_bound: int = PRIOR_OUTPUT_BOUND
    input_excess: float = PRIOR_INPUT_EXCESS
    answer_bytes: float = 0.0
    answer_tokens: float = 0.0

    def learn_prompt(self, prompt_bytes: int, tokens: int) -> None:
        excess = tokens / (prompt_bytes * self.tokens_per_byte)
        self.input_excess = max(excess, 1 + (self.input_excess - 1) * EXCESS_MEMORY)
        self.prompt_bytes = self.prompt_bytes * MEMORY + prompt_bytes
        self.prompt_tokens = self.prompt_tokens * MEMORY + tokens

    def learn_output(self, tokens: int) -> None:
        self.outputs.append(tokens)
        if len(self.outputs) > OUTPUT_WINDOW:
            del self.outputs[0]
        ranked = sorted(self.outputs)
        self.output_quantile = ranked[min(len(ranked) - 1, int(len(ranked) * OUTPUT_QUANTILE))]
        self.output_bound = ceil(ranked[-1] * OUTPUT_HEADROOM)

    def learn_answer(self, answer_bytes: int, tokens: int) -> None:
        self.answer_bytes = self.answer_bytes * MEMORY + answer_bytes
        self.answer_tokens = self.answer_tokens * MEMORY + tokens

    @property
    def tokens_per_byte(self) -> float:
        return self.prompt_tokens / self.prompt_bytes

    @property
    def answer_tokens_per_byte(self) -> float:
        if self.answer_tokens:
            return self.answer_tokens / self.answer_bytes
        return min(self.tokens_per_byte, 1 / LEAST_BYTES_PER_ANSWER_TOKEN)


class EstimateBook:
    """Learned estimates of one replica. Times are seconds of any one clock, given as arguments."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[tuple[str, str], _Subject] = OrderedDict()
        self._models: dict[str, _Subject] = {}
        self._prefixes: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def estimate(self, agent: str, model: str, facts: CallFacts, now: float) -> Estimate:
        """What this call will probably use."""
        subject = self._known(agent, model)
        per_byte = subject.tokens_per_byte
        text_tokens = facts.prompt_bytes * per_byte
        input_tokens = max(1, round(text_tokens) + facts.media_tokens)
        cached = round(self.warm_bytes(model, facts, now) * per_byte)
        output, most = subject.output_quantile * facts.choices, subject.output_bound * facts.choices
        if facts.max_output_tokens is not None:
            asked = max(0, facts.max_output_tokens * facts.choices)
            output, most = min(output, asked), min(most, asked)
        return Estimate(
            input_tokens,
            min(cached, input_tokens - 1),
            output,
            input_tokens + ceil(text_tokens * (subject.input_excess - 1)),
            most,
        )

    def learn(
        self,
        agent: str,
        model: str,
        facts: CallFacts,
        usage: Usage,
        now: float,
        answer_bytes: int = 0,
    ) -> None:
        """Take the actual use of a finished call into account; guessed usage teaches nothing.

        Args:
            agent: Whose call it was.
            model: The model that was called.
            facts: Of its request.
            usage: As the provider told it.
            now: When.
            answer_bytes: Of the answer's text, as its tap counted them, if it came as a stream.
        """
        if not usage.exact:
            return
        subject = self._subject(agent, model)
        by_model = self._models.setdefault(model, _unseen(model))
        if len(self._models) > MAX_SUBJECTS:
            self._models.pop(next(iter(self._models)))
        text_tokens = usage.prompt_tokens - facts.media_tokens
        if text_tokens > 0 and facts.prompt_bytes > 0 and not facts.server_history:
            subject.learn_prompt(facts.prompt_bytes, text_tokens)
            by_model.learn_prompt(facts.prompt_bytes, text_tokens)
        per_choice = usage.output_tokens // facts.choices
        subject.learn_output(per_choice)
        by_model.learn_output(per_choice)
        seen_tokens = usage.output_tokens - usage.reasoning_tokens
        if answer_bytes > 0 and seen_tokens > 0:
            subject.learn_answer(answer_bytes, seen_tokens)
            by_model.learn_answer(answer_bytes, seen_tokens)
        self._remember_prefixes(model, facts, usage, subject.tokens_per_byte, now)

    def begun(self, model: str, facts: CallFacts, usage: Usage, now: float) -> tuple[bytes, ...]:
        """An answer begins: the digests of what the provider's cache holds from now on."""
        text_tokens = usage.prompt_tokens - facts.media_tokens
        if text_tokens <= 0 or facts.prompt_bytes <= 0:
            return ()
        per_byte = text_tokens / facts.prompt_bytes
        return self._remember_prefixes(model, facts, usage, per_byte, now)

    def remember(self, model: str, digest: bytes, until: float) -> None:
        """Another replica has had a prefix put into a provider's cache."""
        if self._prefixes.get((model, digest), 0.0) < until:
            self._prefixes[(model, digest)] = until

    def prompt_bytes(self, agent: str, model: str, tokens: int) -> int:
        """How many bytes of a prompt so many tokens probably are."""
        return ceil(tokens / self._known(agent, model).tokens_per_byte)

    def warm_bytes(self, model: str, facts: CallFacts, now: float) -> int:
        """How much of a prompt, in bytes, a provider's cache probably holds."""
        if facts.cache_lifetime_s <= 0:
            return 0
        for prefix in reversed(facts.prefixes):
            if self._prefixes.get((model, prefix.digest), 0.0) > now:
                return prefix.prompt_bytes
        return 0

    def tokens_of_bytes(self, agent: str, model: str, text_bytes: int) -> int:
        """How many tokens so many bytes of an answer's text probably are."""
        return round(text_bytes * self._known(agent, model).answer_tokens_per_byte)

    def bytes_of_tokens(self, agent: str, model: str, tokens: int) -> int:
        """How many bytes of an answer's text so many tokens probably are."""
        return ceil(tokens / self._known(agent, model).answer_tokens_per_byte)

    def _known(self, agent: str, model: str) -> _Subject:
        found = self._subjects.get((agent, model)) or self._models.get(model)
        if found is None:
            found = _DENSE if model.startswith(_DENSE_MODELS) else _SPARSE
        return found

    def _subject(self, agent: str, model: str) -> _Subject:
        key = (agent, model)
        found = self._subjects.get(key)
        if found is None:
            found = self._subjects[key] = _unseen(model)
            if len(self._subjects) > MAX_SUBJECTS:
                self._subjects.popitem(last=False)
        else:
            self._subjects.move_to_end(key)
        return found

    def _remember_prefixes(
        self, model: str, facts: CallFacts, usage: Usage, per_byte: float, now: float
    ) -> tuple[bytes, ...]:
        """Remember the cut points that lie within what the provider now holds in its cache."""
        held_tokens = usage.cache_read_tokens + usage.cache_write_tokens
        if facts.cache_lifetime_s <= 0 or held_tokens <= 0:
            return ()
        held_bytes = held_tokens / per_byte * 1.02
        held = tuple(cut.digest for cut in facts.prefixes if cut.prompt_bytes <= held_bytes)
        for digest in held:
            self._prefixes[(model, digest)] = now + facts.cache_lifetime_s
            self._prefixes.move_to_end((model, digest))
        while len(self._prefixes) > MAX_PREFIXES:
            self._prefixes.popitem(last=False)
        return held


def token_density(model: str) -> float:
    """How many tokens a model makes of a text, against the common tokenizers."""
    return PRIOR_BYTES_PER_TOKEN / DENSE_BYTES_PER_TOKEN if model.startswith(_DENSE_MODELS) else 1.0


def _unseen(model: str) -> _Subject:
    """What is expected of a model before its first answer."""
    dense = model.startswith(_DENSE_MODELS)
    per_token = DENSE_BYTES_PER_TOKEN if dense else PRIOR_BYTES_PER_TOKEN
    return _Subject(per_token * PRIOR_WEIGHT_TOKENS)


_SPARSE, _DENSE = _unseen(""), _unseen(_DENSE_MODELS[0])
