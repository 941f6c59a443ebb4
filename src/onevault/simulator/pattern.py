"""A short text that matches a regular expression, for the `pattern` of a JSON schema."""

from __future__ import annotations

import random
import re
import string
from re import _constants as op  # type: ignore[attr-defined]  # private, but the only parser of patterns there is
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

_REPEATS_MAX: Final = 3
_TEXT_MAX: Final = 10_000
_ALPHABET: Final = string.ascii_lowercase + string.digits + string.ascii_uppercase + " -_."
_CLASSES: Final = {
    op.CATEGORY_DIGIT: string.digits,
    op.CATEGORY_WORD: string.ascii_lowercase,
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_DIGIT: string.ascii_lowercase,
    op.CATEGORY_NOT_WORD: "-",
    op.CATEGORY_NOT_SPACE: string.ascii_lowercase,
}


def matching(pattern: str, choose: random.Random) -> str:
    """Falls back to a word where the pattern cannot be read or looks around itself."""
    try:
        made = _text(parser.parse(pattern), choose, {})
        return made if re.search(pattern, made) else "amber"
    except (re.error, RecursionError, IndexError):
        return "amber"


def _text(parts: Any, choose: random.Random, groups: dict[int, str]) -> str:
    return "".join(_part(kind, value, choose, groups) for kind, value in parts)


def _part(kind: Any, value: Any, choose: random.Random, groups: dict[int, str]) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.IN:
        return choose.choice(_members(value))
    if kind is op.ANY or kind is op.NOT_LITERAL:
        return choose.choice([c for c in string.ascii_lowercase if kind is op.ANY or ord(c) != value])
    if kind is op.BRANCH:
        return _text(choose.choice(value[1]), choose, groups)
    if kind is op.SUBPATTERN:
        made = _text(value[3], choose, groups)
        if value[0] is not None:
            groups[value[0]] = made
        return made
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        least, most, inner = value
        times = choose.randint(least, max(least, min(int(most), least + _REPEATS_MAX)))
        made = ""
        for _ in range(times):
            made += _text(inner, choose, groups)
            if len(made) > _TEXT_MAX:
                raise re.error("too long")
        return made
    if kind is op.GROUPREF:
        return groups[value]
    if kind is op.ATOMIC_GROUP:
        return _text(value, choose, groups)
    return ""  # anchors and assertions add nothing


def _members(items: Any) -> str:
    negated = items[0][0] is op.NEGATE
    members = ""
    for kind, value in items:
        if kind is op.LITERAL:
            members += chr(value)
        elif kind is op.RANGE:
            members += "".join(map(chr, range(value[0], min(value[1], value[0] + 63) + 1)))
        elif kind is op.CATEGORY:
            members += _CLASSES[value]
    return "".join(c for c in _ALPHABET if c not in members) if negated else members
