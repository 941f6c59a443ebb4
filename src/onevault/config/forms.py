"""The forms in which people may write a value: what each becomes, and what is said of one that cannot be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from functools import partial
from ipaddress import ip_network
from typing import Annotated

from pydantic import BeforeValidator

from onevault.config import quantities
from onevault.config.quantities import Refused
from onevault.config.secret import Secret
from onevault.core.notices import PER_CENT_MAX, THRESHOLDS_MAX
from onevault.core.operations import Capability

NOT_AVAILABLE = "not available in this version"
WORKERS_MAX = 64


def _off(written: object) -> None:
    """A feature that this version does not have: switching it off is fine, asking for it is not."""
    if written is not None and quantities.flag(written):
        raise Refused(NOT_AVAILABLE, "false, or nothing")


def must_be_absent(written: object, *, hint: str) -> None:
    """What this version does not have. Raises Refused, with the hint."""
    if written is not None:
        raise Refused(NOT_AVAILABLE, hint)


def _secret(written: object) -> Secret:
    if isinstance(written, Secret):
        return written
    if not isinstance(written, str) or not written.strip():
        raise Refused(
            "a key that is empty or not a text", "the key, or ${NAME} of the environment variable that holds it"
        )
    key = written.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Refused("a key with spaces or characters that no key has", "the key as the provider gave it")
    return Secret(key)


def _secrets(written: object) -> list[Secret]:
    if isinstance(written, str):
        written = [text for text in written.split(",") if text.strip()]
    if not isinstance(written, list):
        raise Refused("not a list of keys", "a list: [first, second], or the keys with commas between them")
    return [_secret(each) for each in written]


def read_place(written: object, *, beside: str = "") -> str:
    """A name that becomes part of an address: letters, digits and what may stand `beside` them."""
    said = quantities.text(written)
    if re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_{beside}-]{{0,99}}", said) is None:
        also = ", ".join(f"`{character}`" for character in f"_{beside}")
        raise Refused("not a name of that kind", f"letters, digits, {also} and `-`; 100 at most")
    return said


def _api_version(written: object) -> str:
    """YAML takes an unquoted date for one."""
    said = written.isoformat() if isinstance(written, date) else quantities.text(written)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?|v1|preview", said) is None:
        raise Refused("not a version of this API", "a date (2024-10-21, 2025-04-01-preview), or nothing for the v1 API")
    return said


def _service_account(written: object) -> Secret:
    """JSON, or the path of a file: text either way until an entry that needs it is made of it."""
    if isinstance(written, Mapping):
        try:
            return Secret(json.dumps(written))
        except (TypeError, ValueError):
            raise Refused("not the JSON of a service account's key", "it as Google gives it") from None
    if not isinstance(written, str) or not written.strip():
        raise Refused("neither a mapping nor a text", "a service account's key: its JSON, or the path of its file")
    return Secret(written.strip())


def read_word(written: object, *, words: tuple[str, ...]) -> str:
    """One of some words; True and False are what YAML makes of `on` and `off`."""
    said = written.strip().lower() if isinstance(written, str) else ""
    if said not in words:
        raise Refused("not a known value", "one of: " + ", ".join(words))
    return said


STRATEGIES_TO_COME = ("cost_optimized", "latency_optimized", "quality_first", "balanced", "load_balanced")


def _strategy(written: object) -> str:
    if isinstance(written, str) and written.strip() in STRATEGIES_TO_COME:
        raise Refused(NOT_AVAILABLE, '"ordered": the order of fallback_chain, then of the providers in the file')
    return read_word(written, words=("ordered",))


def _names(written: object) -> list[str]:
    if isinstance(written, str):
        written = [name for name in written.split(",") if name.strip()]
    if not isinstance(written, list):
        raise Refused("not a list of names", "a list: [first, second]")
    return [quantities.text(name) for name in written]


def _networks(written: object) -> list[str]:
    names = _names(written)
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise Refused("not a list of networks", "a list: [10.1.0.0/16, 127.0.0.0/8]") from None
    return names


def _thresholds(written: object) -> list[int]:
    if not isinstance(written, list) or len(written) > THRESHOLDS_MAX:
        raise Refused("not a list of percentages", f"a list of at most {THRESHOLDS_MAX}: [50, 80, 100]")
    return sorted({quantities.count(each, at_most=PER_CENT_MAX) for each in written})


def _capabilities(written: object) -> list[Capability]:
    known = tuple(capability.value for capability in Capability)
    return [Capability(read_word(name, words=known)) for name in _names(written)]


def _model(written: object) -> object:
    return {"name": written} if isinstance(written, str | int | float) else written


def read_models(written: object) -> object:
    """A list of models, each as a mapping: one of them may be a name alone, and all of them one text with commas."""
    if isinstance(written, str):
        written = _names(written)
    return [_model(entry) for entry in written] if isinstance(written, list) else written


def read_timeouts(written: object) -> object:
    """A mapping; one duration alone is the total."""
    return written if isinstance(written, dict) or written is None else {"total": written}


def nothing_is_empty(written: object) -> object:
    """A section that is there and says nothing."""
    return {} if written is None else written


Flag = Annotated[bool, BeforeValidator(quantities.flag)]
Text = Annotated[str, BeforeValidator(quantities.text)]
Names = Annotated[list[str], BeforeValidator(_names)]
Seconds = Annotated[float, BeforeValidator(quantities.duration_s)]
Bytes = Annotated[int, BeforeValidator(quantities.size_bytes)]
Count = Annotated[int, BeforeValidator(quantities.count)]
Retries = Annotated[int, BeforeValidator(partial(quantities.count, at_least=0, at_most=10))]
Port = Annotated[int, BeforeValidator(partial(quantities.count, at_least=0, at_most=65_535))]
Workers = Annotated[int, BeforeValidator(partial(quantities.count, at_most=WORKERS_MAX))]
PerMinute = Annotated[int, BeforeValidator(quantities.per_minute)]
Usd = Annotated[int, BeforeValidator(quantities.usd)]
Capabilities = Annotated[list[Capability], BeforeValidator(_capabilities)]
UsdPerUnit = Annotated[int, BeforeValidator(quantities.usd_per_unit)]
UsdPerMillion = Annotated[int, BeforeValidator(quantities.usd_per_million)]
Key = Annotated[Secret, BeforeValidator(_secret)]
Place = Annotated[str, BeforeValidator(read_place)]
Off = Annotated[None, BeforeValidator(_off)]
ApiVersion = Annotated[str, BeforeValidator(_api_version)]
ServiceAccount = Annotated[Secret, BeforeValidator(_service_account)]
Keys = Annotated[list[Secret], BeforeValidator(_secrets)]
Networks = Annotated[list[str], BeforeValidator(_networks)]
Thresholds = Annotated[list[int], BeforeValidator(_thresholds)]
Strategy = Annotated[str, BeforeValidator(_strategy)]
