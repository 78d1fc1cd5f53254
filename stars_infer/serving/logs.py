"""Logs as lines of JSON, with the number of the request that they belong to."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime

REQUEST = ContextVar[str]("REQUEST", default="")
"""The number of the request that is worked on; empty outside of requests."""
LOGGER = logging.getLogger("stars_infer.serving")
_OTHERS = ("uvicorn", "uvicorn.error", "fastapi", "asyncio", "async_batcher", "py.warnings",
           "stars_infer.shared")  # fmt: skip
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes that each record has."""


class JsonFormatter(logging.Formatter):
    """Makes a line of JSON of a record, with what was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """A line."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if request := REQUEST.get():
            said["request"] = request
        said |= {key: value for key, value in vars(record).items() if key not in _OWN}
        said.pop("color_message", None)
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Write the logs of the server and of its libraries to standard error, one JSON object each.

    Warnings, and what ends a thread, are lines, too. Processes that read call it as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in (LOGGER.name, *_OTHERS):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name in (LOGGER.name, "uvicorn", *_OTHERS[2:]) else []
        logger.setLevel(level if name == LOGGER.name or name == "uvicorn" else logging.WARNING)
        logger.propagate = name == "uvicorn.error"
    logging.captureWarnings(True)
    threading.excepthook = _log_end_of_thread


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log what has ended a thread."""
    if ended.exc_value is not None:
        LOGGER.error("a thread has ended", exc_info=ended.exc_value)
