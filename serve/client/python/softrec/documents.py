"""The documents of the API. Fields that a newer server adds are left out."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar, Union

T = TypeVar("T")
Timestamp = Union[str, int, float, datetime.datetime]


def read(kind: Type[T], doc: Mapping[str, Any]) -> T:
    """Make a document of its JSON form."""
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in doc.items() if name in known})


def write(doc: Any) -> Dict[str, Any]:
    """The JSON form of a document: fields without a value are left out."""
    out: Dict[str, Any] = {}
    for f in dataclasses.fields(doc):
        value = getattr(doc, f.name)
        if isinstance(value, datetime.datetime):
            value = value.astimezone(datetime.timezone.utc).isoformat()
        if value is not None:
            out[f.name] = value
    return out


def now() -> str:
    """The time of now as the API writes it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


@dataclass
class Event:
    """One interaction of a user with an item."""

    user_id: str
    item_id: str
    timestamp: Timestamp = field(default_factory=now)  # RFC 3339, Unix seconds or milliseconds, or a datetime with its zone
    type: str = "view"
    event_id: Optional[str] = None  # makes a retry harmless; the client gives one where there is none
    value: Optional[float] = None
    session_id: Optional[str] = None
    recommendation_id: Optional[str] = None  # the answer this interaction followed


@dataclass
class Rejected:
    """Why one event was not taken."""

    index: int
    field: str
    value: str
    reason: str


@dataclass
class Taken:
    """What became of events."""

    accepted: int
    duplicates: int
    rejected: List[Rejected]


@dataclass
class Item:
    """An item of the catalogue."""

    id: str
    title: Optional[str] = None
    categories: Optional[List[str]] = None
    attributes: Optional[Dict[str, Any]] = None
    created_at: Optional[str] = None


@dataclass
class AnswerItem:
    """One recommended item."""

    id: str
    score: float
    source: str  # model, text, similar, repeat, popular or catalog
    title: str = ""
    parts: Dict[str, float] = field(default_factory=dict)


@dataclass
class Answer:
    """A list of recommended items, best first."""

    recommendation_id: str
    model_version: str
    window_offset: int
    took_ms: float
    items: List[AnswerItem]
    degraded: str = ""
    text: str = ""
    arm: str = ""


@dataclass
class Interaction:
    """One entry of a user's window."""

    item_id: str
    type: str
    timestamp: str
    title: str = ""
    value: float = 0.0
    event_id: str = ""
    session_id: str = ""
    partition: int = 0
    offset: int = 0


@dataclass
class Window:
    """A user's newest interactions, oldest first."""

    user_id: str
    version: int
    entries: List[Interaction]


@dataclass
class Fault:
    """One field that is wrong."""

    location: str
    message: str
    value: Any = None
