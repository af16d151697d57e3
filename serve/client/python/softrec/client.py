"""The client."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.parse
import uuid
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from .documents import (Answer, AnswerItem, Arm, ArmResult, Attribution, DeadLetter, Deletion, Event, Fault, Interaction, Item, Rejected,
                        RolledBack, SourceResult, Taken, Window, read, read_letter, read_result, write)
from .errors import SoftrecError, Unreachable

Query = Mapping[str, Union[str, int, float, bool, Sequence[str]]]


class Client:
    """Speaks to one server, or to whatever stands behind one address. It may be used from several threads.

    A call is tried again when that is harmless and may help: the server cannot be reached, is busy or says when to come
    back. Events without an id get one before the first try, so that a retry never counts twice.
    """

    def __init__(self, base: str, key: Optional[str] = None, timeout: float = 10.0, tries: int = 4, first_gap: float = 0.05):
        parts = urllib.parse.urlsplit(base.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"address {base!r}: want http://host:port or https://host:port")
        if tries < 1:
            raise ValueError(f"tries {tries}: want at least 1")
        self._parts = parts
        self._key = key
        self._timeout = timeout
        self._tries = tries
        self._first_gap = first_gap
        self._connections = threading.local()
        self._lock = threading.Lock()
        self._open: List[http.client.HTTPConnection] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._connections = threading.local()

    # What next?

    def recommend(self, user: str, n: Optional[int] = None, category: Sequence[str] = (), exclude: Sequence[str] = (),
                  filter_seen: bool = False, explain: bool = False, **more: Any) -> Answer:
        """What comes next for a user, from the window as it is now. Other parameters of the API go into more."""
        query = _query(n, category, exclude, explain, more)
        if filter_seen:
            query["filter_seen"] = True
        return self._answer("GET", _path("recommend", user), query)

    def similar(self, item: str, n: Optional[int] = None, category: Sequence[str] = (), exclude: Sequence[str] = (),
                explain: bool = False, **more: Any) -> Answer:
        """What goes with an item."""
        return self._answer("GET", _path("similar", item), _query(n, category, exclude, explain, more))

    def popular(self, n: Optional[int] = None, category: Sequence[str] = (), exclude: Sequence[str] = (),
                explain: bool = False, **more: Any) -> Answer:
        """What is popular now."""
        return self._answer("GET", _path("popular"), _query(n, category, exclude, explain, more))

    def session(self, items: Sequence[str], n: Optional[int] = None, category: Optional[str] = None,
                exclude: Sequence[str] = (), filter_seen: bool = False, explain: bool = False) -> Answer:
        """What comes after items, oldest first, of a visitor nobody needs to know."""
        doc: Dict[str, Any] = {"items": list(items)}
        for name, value in (("n", n), ("category", category), ("exclude", list(exclude)), ("filter_seen", filter_seen), ("explain", explain)):
            if value:
                doc[name] = value
        return self._answer("POST", _path("session", "recommend"), body=doc)

    # What happened

    def send(self, events: Union[Event, Iterable[Event]]) -> Taken:
        """Hand interactions over. Once it returns, Kafka has those it counts as accepted."""
        docs = [write(e) for e in ([events] if isinstance(events, Event) else events)]
        if not docs:
            raise ValueError("no events to send")
        for doc in docs:
            doc.setdefault("event_id", str(uuid.uuid4()))
        _, doc = self._call("POST", _path("events"), body=docs)
        return Taken(doc["accepted"], doc["duplicates"], [read(Rejected, r) for r in doc["rejected"]])

    def user(self, user: str) -> Window:
        """A user's window, oldest interaction first. A user nobody knows has an empty one."""
        _, doc = self._call("GET", _path("users", user))
        return Window(doc["user_id"], doc["version"], [read(Interaction, e) for e in doc["entries"]])

    def forget_user(self, user: str) -> bool:
        """Remove what is kept of a user; true when the window is empty already."""
        status, _ = self._call("DELETE", _path("users", user))
        return status == 200

    def user_deletion(self, user: str) -> Deletion:
        """The receipt of the newest deletion of a user. One that was never deleted raises a SoftrecError with the status 404."""
        _, doc = self._call("GET", _path("users", user, "deletion"))
        return read(Deletion, doc)

    # The catalogue

    def item(self, item: str) -> Item:
        """One item. One that is not there or withdrawn raises a SoftrecError with the status 404."""
        _, doc = self._call("GET", _path("items", item))
        return read(Item, doc)

    def items(self, query: str = "", limit: int = 20) -> Tuple[List[Item], int]:
        """Items by words of their title, the newest for an empty query, and how many there are in all."""
        wanted: Dict[str, Any] = {"limit": limit}
        if query:
            wanted["query"] = query
        _, doc = self._call("GET", _path("items"), wanted)
        return [read(Item, i) for i in doc["items"]], doc["total"]

    def put_item(self, item: Item) -> bool:
        """Write an item whole; true when answers show it already."""
        status, _ = self._call("PUT", _path("items", item.id), body=write(item))
        return status == 200

    def patch_item(self, item: str, patch: Mapping[str, Any]) -> bool:
        """Change fields of an item: a JSON merge patch (RFC 7396), in which None removes a field."""
        status, _ = self._call("PATCH", _path("items", item), body=dict(patch), content_type="application/merge-patch+json")
        return status == 200

    def withdraw_item(self, item: str) -> bool:
        """Take an item out of every answer that is asked for after this returned true."""
        status, _ = self._call("DELETE", _path("items", item))
        return status == 200

    def item_deletion(self, item: str) -> Deletion:
        """The receipt of the newest withdrawal of an item. One that was never withdrawn raises a SoftrecError with the status 404."""
        _, doc = self._call("GET", _path("items", item, "deletion"))
        return read(Deletion, doc)

    # What an operator does

    def attribution(self) -> Attribution:
        """What became of the answers, by arm, model version and source."""
        _, doc = self._call("GET", _path("attribution"))
        return Attribution([read(Arm, a) for a in doc["experiment"]], [read_result(ArmResult, a) for a in doc["arms"]],
                           [read_result(SourceResult, s) for s in doc["sources"]], doc.get("enabled", False))

    def rollback(self, before: str) -> RolledBack:
        """Make the model live that was so before the version named. It needs an admin key.

        Where another version is live it changes nothing and raises a SoftrecError with the status 409; so it does when a
        try took effect, its answer was lost, and it was tried again.
        """
        _, doc = self._call("POST", _path("models", "rollback"), body={"from": before})
        return read(RolledBack, doc)

    def dead_letters(self, limit: int = 20) -> List[DeadLetter]:
        """The newest records that were set aside, newest first. It needs an admin key."""
        _, doc = self._call("GET", _path("deadletters"), {"limit": limit})
        return [read_letter(d) for d in doc["letters"]]

    def replay_dead_letter(self, partition: int, offset: int) -> str:
        """Send the record of one dead letter again to where it came from, and return that topic. It needs an admin key.

        A try whose answer was lost may have sent it already: an event counts once if it has an event_id. A SoftrecError
        with the status 404 says that nothing stands there, 409 that it cannot be sent again.
        """
        _, doc = self._call("POST", _path("deadletters", "replay"), body={"partition": partition, "offset": offset})
        return doc["topic"]

    # The road

    def _answer(self, method: str, path: str, query: Optional[Query] = None, body: Any = None) -> Answer:
        _, doc = self._call(method, path, query, body)
        answer = read(Answer, doc)
        answer.items = [read(AnswerItem, i) for i in doc["items"]]
        return answer

    def _call(self, method: str, path: str, query: Optional[Query] = None, body: Any = None,
              content_type: str = "application/json") -> Tuple[int, Any]:
        target = self._parts.path + path + _encode(query)
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if payload is not None:
            headers["Content-Type"] = content_type
        if self._key:
            headers["Authorization"] = "Bearer " + self._key
        gap = self._first_gap
        for left in range(self._tries - 1, -1, -1):
            try:
                return self._once(method, target, payload, headers)
            except SoftrecError as e:
                if not e.temporary or not left:
                    raise
                wait = max(gap, e.retry_after)
            except (OSError, http.client.HTTPException) as e:
                self._drop()
                if not left:
                    raise Unreachable(f"{method} {target}: {e!r}") from e
                wait = gap
            time.sleep(wait * random.uniform(0.75, 1.25))
            gap *= 2
        raise AssertionError("not reached")

    def _once(self, method: str, target: str, payload: Optional[bytes], headers: Mapping[str, str]) -> Tuple[int, Any]:
        connection = self._connection()
        connection.request(method, target, body=payload, headers=dict(headers))
        response = connection.getresponse()
        text = response.read()
        if response.will_close:
            self._drop()
        if response.status >= 400:
            raise _error(response, text)
        return response.status, json.loads(text) if text else None

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._connections, "it", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
            self._connections.it = connection
            with self._lock:
                self._open.append(connection)
        return connection

    def _drop(self) -> None:
        connection = getattr(self._connections, "it", None)
        if connection is not None:
            connection.close()
            self._connections.it = None
            with self._lock:
                if connection in self._open:
                    self._open.remove(connection)


def _path(*segments: str) -> str:
    return "/v1/" + "/".join(urllib.parse.quote(s, safe="") for s in segments)


def _query(n: Optional[int], category: Sequence[str], exclude: Sequence[str], explain: bool, more: Mapping[str, Any]) -> Dict[str, Any]:
    query: Dict[str, Any] = dict(more)
    if n is not None:
        query["n"] = n
    if category:
        query["category"] = [category] if isinstance(category, str) else list(category)
    if exclude:
        query["exclude"] = [exclude] if isinstance(exclude, str) else list(exclude)
    if explain:
        query["explain"] = True
    return query


def _encode(query: Optional[Query]) -> str:
    if not query:
        return ""
    flat: List[Tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        flat.extend((name, ("true" if v else "false") if isinstance(v, bool) else str(v)) for v in values)
    return "?" + urllib.parse.urlencode(flat)


def _error(response: http.client.HTTPResponse, text: bytes) -> SoftrecError:
    detail, faults = text[:200].decode(errors="replace").strip(), []
    try:
        doc = json.loads(text)
        detail = doc.get("detail") or doc.get("title") or detail
        faults = [read(Fault, f) for f in doc.get("errors") or ()]
    except (ValueError, AttributeError, TypeError):
        pass
    after = response.headers.get("Retry-After", "")
    return SoftrecError(response.status, detail, faults, float(after) if after.isdigit() else 0.0)
