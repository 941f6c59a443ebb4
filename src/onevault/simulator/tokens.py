"""Token counts by a rule that tests can predict, and text of exactly so many tokens.

The rule: a text has one token for every four bytes of its UTF-8, rounded up. Each text of a request (message, system prompt,
tool result, arguments of a tool call, tool definitions as compact JSON) is counted by itself; an image, file or audio part
counts 85. Generated text is made of three-letter words with a space, so that one word is one token.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, Final

import msgspec

MEDIA_TOKENS: Final = 85
OUTPUT_TOKENS_MAX: Final = 100_000
_RING_WORDS: Final = 4096
_LETTERS: Final = (
    "air all and arc ash bay big box bud cup day dew dim dry ebb elm end eye far few fig fir fog fox gap gem"
    " hay hen hue ice ink ivy jar joy key kin lad lap law log low map may mud net new now nut oak oar old one our"
    " own pea pen pin pod ray red rim row rye sap sea shy sky sly sun tar tea tin top toy two urn van vow wax way wet"
    " yak yes zen zip"
)
_WORDS: Final = tuple(_LETTERS[at : at + 3] for at in range(0, len(_LETTERS), 4))


def tokens_of(text: str) -> int:
    return ((len(text) if text.isascii() else len(text.encode())) + 3) >> 2


def tokens_of_json(value: Any) -> int:
    return (len(msgspec.json.encode(value)) + 3) >> 2


def cut_to(text: str, tokens: int) -> str:
    """The longest beginning of `text` that has at most so many tokens."""
    if tokens_of(text) <= tokens:
        return text
    return text[: tokens << 2] if text.isascii() else text.encode()[: tokens << 2].decode(errors="ignore")


def pieces_of(text: str) -> list[str]:
    """The text in the pieces that a stream sends: four characters each."""
    return [text[i : i + 4] for i in range(0, len(text), 4)]


class Ring:
    """A long text made from the seed, of which every answer is a part."""

    def __init__(self, seed: int) -> None:
        choose = random.Random(seed)
        self._text = "".join(choose.choice(_WORDS) + " " for _ in range(_RING_WORDS))
        self._key = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()

    def text(self, start: int, tokens: int) -> str:
        """Exactly so many tokens of text, from the place that `start` chooses."""
        if tokens <= 0:
            return ""
        at = start % (_RING_WORDS >> 1)
        text = self._text[at << 2 : (at + tokens) << 2]
        if len(text) < tokens << 2:
            text = (text + self._text * (tokens // _RING_WORDS + 1))[: tokens << 2]
        return text[:-1] + "."

    def digest(self, content: bytes) -> str:
        """32 hexadecimal digits that stand for this content under this seed."""
        return hashlib.blake2b(content, digest_size=16, key=self._key).hexdigest()
