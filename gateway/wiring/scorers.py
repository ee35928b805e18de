"""Trained scorers in files: arrays and a header, no code (numpy's format without pickle).

Failure policy: a scorer that cannot be read, or for which numpy is not installed, is said in the
log once, and its route scores by structure instead.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from gateway.dataplane.parts import Scorer
from gateway.domain.routes import Route

if TYPE_CHECKING:
    from gateway.core.routing.scorer import TrainedScorer

log = logging.getLogger("gateway")

FORMAT = 1
_LARGEST = 64 * 1024 * 1024


class BadScorer(Exception):  # noqa: N818 - named for the file
    """The file holds no scorer that can be used here."""


def save_scorer(scorer: "TrainedScorer", path: Path) -> None:
    """Write a scorer."""
    import numpy as np  # noqa: PLC0415 - optional

    header = {"format": FORMAT, "claim": scorer.claim.value, "rows": scorer.rows}
    with path.open("wb") as file:
        np.savez(
            file,
            weights=scorer.weights,
            ranks=scorer.ranks,
            header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        )


def load_scorer(path: Path) -> "TrainedScorer":
    """Read a scorer.

    Raises:
        BadScorer: It cannot be read, or is none.
    """
    try:
        import numpy as np  # noqa: PLC0415 - optional

        from gateway.core.routing.scorer import Claim, TrainedScorer  # noqa: PLC0415 - needs numpy
    except ImportError:
        raise BadScorer("numpy is missing; install agent-gateway[scorer]") from None
    try:
        if path.stat().st_size > _LARGEST:
            raise BadScorer("the file is too large to be a scorer")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            header = json.loads(bytes(arrays["header"]))
            if header["format"] != FORMAT:
                raise BadScorer(
                    f"it has format {header['format']}, and this gateway reads {FORMAT}"
                )
            return TrainedScorer(
                arrays["weights"], arrays["ranks"], Claim(header["claim"]), int(header["rows"])
            )
    except OSError as error:
        raise BadScorer(error.strerror or str(error)) from None
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise BadScorer(f"the file is no scorer: {error}") from None


def scorers_of(routes: Iterable[Route]) -> dict[str, Scorer]:
    """The scorers of routes, by their file."""
    found: dict[str, Scorer] = {}
    for name in {route.scorer for route in routes if route.scorer is not None}:
        try:
            scorer = load_scorer(Path(name))
        except BadScorer as fault:
            log.warning("%s: %s; scoring by structure instead", name, fault)
            continue
        if scorer.claim.value == "nothing":
            log.warning("%s is no better than the prompt's length on its own data", name)
        found[name] = scorer
    return found
