"""Takes secrets out of text that is about to be kept or logged, and what a caller wrote out of what a provider says of it."""

from __future__ import annotations

import re

TEXT_CHARACTERS_MAX = 500
SAID_BYTES_MAX = 256 << 10
"""Requests longer than this are not searched: of an error's text about them only the words of errors are kept."""

_SECRETS = re.compile(
    r"gw_(?:live|test|admin)_[A-Za-z0-9_-]+"
    r"|\b(?:sk|pk|rk|xai|gsk|hf|pplx|r8)[-_][A-Za-z0-9_\-*.]{6,}"
    r"|\bAIza[0-9A-Za-z_\-]{10,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,2}"
    r"|(?i:\b(?:bearer|basic)\s+)[^\s\"',]+"
    r"|(?i:(?:api[-_ ]?key|token|secret|password|authorization)\"?\s*[:=]\s*\"?(?:(?:bearer|basic)\s+)?)[^\s\"',}]+"
)
_WORD = re.compile(r"[^\W_]+")
_HIDDEN = re.compile(r"…(?:[\W_]*…)+")
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|([nrtbf\"/]))")
_PART_CHARACTERS_MIN = 4
"""A word that long is recognised inside a longer one too: providers cut what they quote."""

_WORDS = """
a about above access account active additional after again allowed already an and another any api are argument arguments array
as assistant at authentication auth available bad balance be because been before below between billing block blocks body boolean
both but by cache call called calls can cannot capacity category characters chat check choice code completion completions
complete conflict contact contain contains content context control count create credentials credit current data deadline default
deployment deprecated description did different disabled do document does due duplicate each either element embedding
embeddings empty enabled encountered end endpoint entity error errors exceed exceeded exceeds exist existing expected expired
extra failed failure false field fields file filter finish finished first follow following for format forbidden found free
from function functions gateway generation get given greater has have header high id if image images immediately in include
incomplete incorrect index inner input inputs insufficient integer internal invalid is issue it item items its json key keys
last least length less level limit limits list load long longer lower many match matching max maximum may measured media
message messages method min minimum minute missing model models more most multiple must name names need needed network
no non none not null number object of off on one only open or organization other our out output over overloaded page param
parameter parameters parse part parts password path payload per permission permissions please plan plus policy position prefix
present previous processing project prompt properties property provide provided provider quota range rate reached read
reason receive received redacted reduce region rejected request requested requests require required resource response responses
restricted result results retry role roles root safety same schema second seconds see seed send sent server service set should
shut size slow so some source specified start status stop stream string strict support supported supports system
temperature temporarily text than that the their them then there these they thinking this those time timeout timed to
token tokens too tool tools top total true try type types unable unauthorized unavailable unexpected unknown unprocessable
unsupported up upgrade upstream url usage use used user valid validation value values verify version via violation wait was we
were what when where which while will with within without wrong you your
"""
WORDS_OF_ERRORS = frozenset(_WORDS.split())


def redact(text: str, said: bytes = b"") -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`, bounded to TEXT_CHARACTERS_MAX.

    `said` is the request that the text answers: words that it has are replaced by `…`, but for those that errors are made of,
    so that a provider which quotes a prompt puts none of it on our disk.
    """
    if not text:
        return ""
    kept = _SECRETS.sub("[redacted]", text[: 4 * TEXT_CHARACTERS_MAX])
    if said:
        kept = _without_quotes(kept, said)
    return kept[:TEXT_CHARACTERS_MAX]


def _without_quotes(text: str, said: bytes) -> str:
    searched = len(said) <= SAID_BYTES_MAX
    whole = _unescaped(said.decode(errors="replace")).lower() if searched else ""
    words = frozenset(_WORD.findall(whole))

    def shown(match: re.Match[str]) -> str:
        word = match[0].lower()
        if word in WORDS_OF_ERRORS:
            return match[0]
        if searched and word not in words and (len(word) < _PART_CHARACTERS_MIN or word not in whole):
            return match[0]
        return "…"

    return _HIDDEN.sub("…", _WORD.sub(shown, _unescaped(text)))


def _unescaped(text: str) -> str:
    """JSON's escapes as the characters they stand for, also where one JSON text is quoted inside another."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return " " if match[2] in "nrtbf" else str(match[2])
