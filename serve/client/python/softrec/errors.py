"""What can go wrong."""

from __future__ import annotations

from typing import Sequence

from .documents import Fault


class SoftrecError(Exception):
    """The server said no: its problem document (RFC 9457), or what stood in its place."""

    def __init__(self, status: int, detail: str, faults: Sequence[Fault] = (), retry_after: float = 0.0):
        self.status = status  # HTTP status, 400 or more
        self.detail = detail  # what is wrong
        self.faults = tuple(faults)  # each wrong field, where the server names them
        self.retry_after = retry_after  # seconds until the server wants to be asked again; 0 when it does not say
        named = "".join(f": {f.location} {f.value!r}: {f.message}" for f in self.faults)
        super().__init__(f"{status}: {detail}{named}")

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 502, 503, 504)


class Unreachable(Exception):
    """No server answered."""
