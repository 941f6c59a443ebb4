"""What is asked of the store, and what it answers: the shapes that the Lua programs and the engines agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Answer: TypeAlias = list[Any]
"""One of:

- `[OK, …]`
- `[REFUSED, number of the limit from 1, nanoseconds to wait or -1]`; then for tokens per minute the standing, for others of tokens what
  is left, and for a limit of money, each as dollars and nanos: what is left of all together, what is left of this one, what was spent
- `[MOVED, what the store knows of the call]`: it counts elsewhere than was said
- `[GIVEN_UP]`: a reservation that was taken back because nobody had learnt of it
"""

OK: Final = 0
REFUSED: Final = 1
MOVED: Final = 2
GIVEN_UP: Final = 3


class Operation:
    """One question. `given` is what its Lua function unpacks; `scope_keys` the keys of its scopes, `call_key`
    its call's, or "".

    `is_owed`: to be sent until the store has taken it. `undo` makes the operation that gives back what this one takes, for the case
    that nobody learns of it. `after` is called once the store has answered. `has_failed`: it is being sent again.
    """

    __slots__ = (
        "after",
        "call_key",
        "future",
        "given",
        "has_failed",
        "is_owed",
        "name",
        "scope_keys",
        "sweeps",
        "undo",
    )

    def __init__(
        self,
        name: str,
        call_key: str,
        scope_keys: tuple[str, ...],
        given: tuple[Any, ...],
        *,
        is_owed: bool = False,
        undo: Callable[[], Operation] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.call_key = call_key
        self.scope_keys = scope_keys
        self.given = given
        self.is_owed = is_owed
        self.undo = undo
        self.after = after
        self.sweeps = 0
        self.has_failed = False
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
