"""What was asked, taken apart: an address, what follows its question mark, a body."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semlens.app.answer import NotThere
from semlens.app.session import Opened, Session
from semlens.errors import SemlensError


@dataclass(frozen=True)
class Request:
    """A method, an address below /api/ and what comes with it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, eq=False)
class Asked:
    """A request that has found who answers it."""

    session: Session
    request: Request
    parts: Mapping[str, str]  # of the address

    @property
    def opened(self) -> Opened:
        """The index that is meant. Raises NotThere if there is none of that number."""
        number = self.number("i")
        if number >= len(self.session.opened):
            raise NotThere(f"there is no index {number}")
        return self.session.opened[number]

    @property
    def row(self) -> int:
        """The component that is meant. Raises NotThere if the index has none of that number."""
        row, count = self.number("row"), len(self.opened.index.rows)
        if row >= count:
            raise NotThere(f"there is no component {row}: the index has {count:,}")
        return row

    def number(self, part: str) -> int:
        """A whole number in the address, which the pattern of the route has seen to be one, of nine digits at most."""
        return int(self.parts[part])

    def tree(self) -> dict[str, Any]:
        """The body, a JSON object. Raises SemlensError if it is none."""
        try:
            tree = json.loads(self.request.body)
            if b"\\u" in self.request.body:  # JSON can write half a letter, which no file and no table can hold
                json.dumps(tree, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise SemlensError("the body is no JSON") from None
        if not isinstance(tree, dict):
            raise SemlensError("the body is no JSON object")
        return tree

    def value(self, name: str, kind: type) -> Any:
        """A value of the body's. Raises SemlensError unless it is of that kind."""
        found = self.tree().get(name)
        if type(found) is not kind:
            raise SemlensError(f"the body has no {name!r} that is a {kind.__name__}")
        return found
