"""Embeddings of the simulated models."""

import math
from hashlib import blake2b


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the text alone."""
    seed = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=64).digest()
    raw = [(seed[i % 64] ^ (i * 29 & 0xFF)) - 127.5 for i in range(dimensions)]
    norm = math.sqrt(sum(x * x for x in raw))
    return [x / norm for x in raw]
