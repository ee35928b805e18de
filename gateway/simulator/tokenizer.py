"""A tokenizer that is simple enough to predict: one token for every four bytes of UTF-8.

Claude models from 4.7 on make about 30 % more tokens of the same text (provider-facts A6), which
`ratio_milli` expresses (1300). Output text is cut by the inverse rule, so that counting the text
of an answer gives exactly the number of output tokens reported for it.
"""

BYTES_PER_TOKEN = 4


def byte_length(text: str) -> int:
    """Length of `text` in UTF-8, without encoding what is plain ASCII."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def tokens_of_bytes(n_bytes: int, ratio_milli: int = 1000) -> int:
    """Tokens of a text of `n_bytes` bytes, rounded up."""
    return -(-n_bytes * ratio_milli // (BYTES_PER_TOKEN * 1000))


def count_tokens(text: str, ratio_milli: int = 1000) -> int:
    """Tokens of `text` for a model with the given ratio (1000: four bytes a token)."""
    return tokens_of_bytes(byte_length(text), ratio_milli)


def bytes_of_tokens(tokens: int, ratio_milli: int = 1000) -> int:
    """The longest ASCII text that still counts as `tokens`."""
    return tokens * BYTES_PER_TOKEN * 1000 // ratio_milli
