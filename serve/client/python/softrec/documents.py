"""The documents of the API. Fields that a newer server adds are left out."""

from __future__ import annotations

import base64
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
class Share:
    """A rate, between 0 and 1, with its 95 % interval."""

    rate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    of: int = 0  # trials


@dataclass
class Arm:
    """One arm of the server that answered."""

    name: str
    share: float = 0.0  # of the users; of a shadow: of the logged answers
    model: str = ""  # live, or a version
    ranking: str = ""
    shadow: bool = False
    answers_with: str = ""  # the version it answers with now; empty before the first model
    degraded: str = ""  # why it is not what it should be; empty where it is


@dataclass
class ArmResult:
    """What became of one arm's answers with one model version."""

    arm: str
    model_version: str
    shadow: bool = False
    answers: int = 0
    clicked: int = 0
    converted: int = 0
    scored: int = 0
    hits: int = 0
    gain: float = 0.0
    ctr: Share = field(default_factory=Share)
    conversion: Share = field(default_factory=Share)
    hr10: Share = field(default_factory=Share)
    ndcg10: float = 0.0


@dataclass
class SourceResult:
    """What became of the items of one source."""

    arm: str
    model_version: str
    source: str
    shown: int = 0
    clicked: int = 0
    converted: int = 0
    ctr: Share = field(default_factory=Share)
    conversion: Share = field(default_factory=Share)


@dataclass
class Attribution:
    """What became of the answers since they are counted."""

    experiment: List[Arm]  # empty where no arms are configured
    arms: List[ArmResult]
    sources: List[SourceResult]
    enabled: bool = False  # answers are logged and joined with interactions


@dataclass
class RolledBack:
    """What a rollback did."""

    before: str  # the version that was live
    live: str  # the version that is live now


@dataclass
class Deletion:
    """The receipt of the deletion of a user or an item."""

    id: str
    by: str  # "api", or "tombstone" for a record that somebody else wrote to the topic
    requested: str
    complete: bool  # every part has confirmed
    user_id: str = ""  # one of these two is set
    item_id: str = ""
    parts: Dict[str, str] = field(default_factory=dict)  # when each part had nothing of it any more
    awaits: List[str] = field(default_factory=list)  # parts that must confirm besides the usual ones
    kept: Dict[str, str] = field(default_factory=dict)  # what no confirmation covers, and how long it stays


@dataclass
class DeadLetter:
    """A record that was set aside. Nobody has checked its bytes."""

    partition: int
    offset: int
    at: str
    reason: str
    topic: str  # where it stood
    from_partition: int = -1
    from_offset: int = -1
    key: bytes = b""  # its first bytes
    value: bytes = b""  # its first bytes
    key_bytes: int = 0  # all of them
    value_bytes: int = 0  # all of them
    replayable: bool = False


def read_result(kind: Type[T], doc: Mapping[str, Any]) -> T:
    """Make a result with its rates of its JSON form."""
    rates = {name: read(Share, doc[name]) for name in ("ctr", "conversion", "hr10") if name in doc}
    return read(kind, {**doc, **rates})


def read_letter(doc: Mapping[str, Any]) -> DeadLetter:
    """Make a dead letter of its JSON form, in which bytes are base64."""
    raw = {name: base64.b64decode(doc.get(name) or "") for name in ("key", "value")}
    return read(DeadLetter, {**doc, **raw})


@dataclass
class Fault:
    """One field that is wrong."""

    location: str
    message: str
    value: Any = None
