"""Client of softrec's HTTP API. It needs nothing but Python's standard library.

>>> from softrec import Client, Event                                    # doctest: +SKIP
>>> with Client("http://localhost:8080") as softrec:
...     softrec.send(Event(user_id="u1", item_id="85123A"))
...     for item in softrec.recommend("u1", n=5).items:
...         print(item.id, item.score, item.source)
"""

from .client import Client
from .documents import (Answer, AnswerItem, Arm, ArmResult, Attribution, DeadLetter, Deletion, Event, Fault, Interaction, Item, Rejected,
                        RolledBack, Share, SourceResult, Taken, Window)
from .errors import SoftrecError, Unreachable

__all__ = [
    "Answer", "AnswerItem", "Arm", "ArmResult", "Attribution", "Client", "DeadLetter", "Deletion", "Event", "Fault", "Interaction", "Item",
    "Rejected", "RolledBack", "Share", "SoftrecError", "SourceResult", "Taken", "Unreachable", "Window",
]
