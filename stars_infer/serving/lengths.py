"""How long an address and the headers of a request may be."""

from __future__ import annotations

from starlette.types import Scope

from stars_infer.errors import ServerError

LONGEST_ADDRESS = 128 * 1024
"""Bytes of an address and its query: enough for the ids of ten thousand examples."""
LONGEST_STREAM_ADDRESS = 4096
"""The same for a WebSocket, of which the library takes no more than 8192 bytes a line."""
LONGEST_HEADERS = 16_384
"""Bytes of all headers of a request."""
LONGEST_HEAD = LONGEST_ADDRESS + LONGEST_HEADERS
"""Bytes of what comes before a body."""
TOO_LONG = {
    414: "the address and its query are too long: at most {} bytes",
    431: f"the headers are too long: at most {LONGEST_HEADERS} bytes together",
}


def too_long(status: int, most: int = LONGEST_ADDRESS) -> str:
    """The sentence on an address (414) or headers (431) that are too long."""
    return TOO_LONG[status].format(most)


def check_length(scope: Scope) -> None:
    """Refuse an address or headers that are too long.

    Raises:
        ServerError: If they are.
    """
    address = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    if len(address) + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
        raise ServerError(414, too_long(414))
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
        raise ServerError(431, too_long(431))
