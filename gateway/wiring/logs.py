"""The gateway's own messages: on standard error, one line each, at the configured level."""

import logging
import sys

from gateway.config.settings import LogLevel

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SERVER = "uvicorn.error"
_CHATTY = (_SERVER, "httpx2")


def log_to_stderr(level: LogLevel) -> None:
    """Set up logging in this process. What libraries chat about is shown when debugging only."""
    logging.basicConfig(stream=sys.stderr, format=_FORMAT, level=level.upper())
    if level is not LogLevel.DEBUG:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
