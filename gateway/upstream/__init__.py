"""The HTTP transport to providers."""

from .failures import UnsendableRequestError
from .settings import TransportSettings
from .transport import HttpUpstream, PoolFigures

__all__ = ["HttpUpstream", "PoolFigures", "TransportSettings", "UnsendableRequestError"]
