"""Says what a field of the admin API may hold: amounts, counts, names, times, each read strictly and bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from onevault.admin.errors import NOT_AVAILABLE_YET
from onevault.config.credential import SECRET_CHARACTERS_MAX
from onevault.config.secret import Secret
from onevault.core.identity import Role
from onevault.core.money import USD_MAX
from onevault.core.notices import PER_CENT_MAX, THRESHOLDS_MAX, NoticeKind
from onevault.core.windows import is_place
from onevault.policy.outbound import URL_CHARACTERS_MAX

COUNT_MAX = 1_000_000_000_000
NAME_CHARACTERS_MAX = 200
EMAIL_CHARACTERS_MAX = 254
MODELS_MAX = 200
PROVIDERS_MAX = 100
NETWORKS_MAX = 100
OVERLAP_S_MAX = 90 * 24 * 3600
DECIMALS_MAX = 9
YEAR_MAX = 9999

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_INVISIBLE_CHARACTERS = r"\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_INVISIBLE = re.compile(f"[{_INVISIBLE_CHARACTERS}]")
"""By which two names could look alike, or one be read in another order. Joiners stay: some scripts and emoji need them."""
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\\\]]{1,64}@[^\s@\"(),:;<>\[\\\]]{1,189}")
_ZONES = {name for name in available_timezones() if is_place(name)}


def refused(reason: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{reason}", {"reason": reason})


def nanos(value: object) -> int:
    """Nanos of an amount of dollars: exact, 0 or more, at most nine decimals, at most `USD_MAX`."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise refused("must be a number of US dollars")
    exact = Decimal(str(value))
    if not exact.is_finite():
        raise refused("must be a finite number of US dollars")
    sign, digits, exponent = exact.as_tuple()
    if sign and any(digits):
        raise refused("must not be negative")
    if exact > USD_MAX:
        raise refused(f"must be at most {USD_MAX} US dollars")
    significant = "".join(map(str, digits)).rstrip("0")
    places = DECIMALS_MAX + int(exponent) + len(digits) - len(significant)
    if significant and places < 0:
        raise refused(f"must have at most {DECIMALS_MAX} decimals")
    return int(significant) * 10**places if significant else 0  # integers only: Decimal arithmetic rounds at 28 digits


def count(value: object, *, at_most: int = COUNT_MAX, unit: str = "") -> int:
    """A whole number, also where it is written as `60.0`: to JSON they are the same."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise refused("must be a whole number")
    if not 0 <= value <= at_most:
        raise refused(f"must be between 0 and {at_most}{unit}")
    if value != int(value):
        raise refused("must be a whole number")
    return int(value)


def thresholds(value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or len(value) > THRESHOLDS_MAX:
        raise refused(f"must be a list of at most {THRESHOLDS_MAX} whole numbers from 1 to {PER_CENT_MAX}")
    numbers = {count(each) for each in value}
    if not all(1 <= each <= PER_CENT_MAX for each in numbers):
        raise refused(f"must be per cent: whole numbers from 1 to {PER_CENT_MAX}")
    return tuple(sorted(numbers))


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise refused("must be true or false")
    return value


def bounded_text(value: object, characters_max: int, *, empty: bool = False) -> str:
    if not isinstance(value, str):
        raise refused("must be a string")
    if len(value) > characters_max:
        raise refused(f"must have at most {characters_max} characters")
    if _UNPRINTABLE.search(value):
        raise refused("must have no control characters")
    if _INVISIBLE.search(value):
        raise refused("must have no invisible characters")
    if value != value.strip():
        raise refused("must not begin or end with a space")
    if not value and not empty:
        raise refused("must not be empty")
    return value


def name(value: object) -> str:
    return bounded_text(value, NAME_CHARACTERS_MAX)


def label(value: object) -> str:
    return bounded_text(value, NAME_CHARACTERS_MAX, empty=True)


def email(value: object) -> str:
    text = bounded_text(value, EMAIL_CHARACTERS_MAX)
    if not _EMAIL.fullmatch(text):
        raise refused("must be an e-mail address")
    return text


def time_zone(value: object) -> str:
    text = bounded_text(value, NAME_CHARACTERS_MAX)
    if text not in _ZONES:
        raise refused("must be a time zone of the IANA database, as Europe/Berlin")
    ZoneInfo(text)  # reads it now, so that no call is the first to
    return text


def moment(value: object) -> int:
    """Milliseconds since the epoch of a time as RFC 3339 writes it, with its offset from UTC."""
    text = bounded_text(value, NAME_CHARACTERS_MAX)
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None or "T" not in text.upper():
            raise ValueError
        return int(read.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise refused("must be a time with its offset from UTC, as 2030-01-31T12:00:00Z") from None


def credential(value: object) -> dict[str, Secret]:
    """The fields of a credential, none of which is shown again. What they must be depends on the provider."""
    if not isinstance(value, dict) or not value:
        raise refused('must be an object with the fields of a credential, as {"api_key": "…"}')
    return {bounded_text(name, NAME_CHARACTERS_MAX): Secret(_secret_text(name, field)) for name, field in value.items()}


def _secret_text(name: str, value: object) -> str:
    if name == "service_account" and isinstance(value, dict):
        try:
            return json.dumps(value)
        except (TypeError, ValueError):
            raise refused("service_account must be the JSON of a service account's key") from None
    if not isinstance(value, str) or len(value) > SECRET_CHARACTERS_MAX:
        raise refused(f"must hold texts of at most {SECRET_CHARACTERS_MAX} characters")
    return value.strip()


def _names(value: object, most: int, kind: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise refused(f"must be a list of {kind} names")
    if not 1 <= len(value) <= most:
        raise refused(f"must name between 1 and {most} {kind}s (leave it out or null to allow all)")
    return tuple(dict.fromkeys(bounded_text(entry, NAME_CHARACTERS_MAX) for entry in value))


def models(value: object) -> tuple[str, ...]:
    return _names(value, MODELS_MAX, "model")


def providers(value: object) -> tuple[str, ...]:
    return _names(value, PROVIDERS_MAX, "provider")


def networks(value: object) -> tuple[str, ...]:
    """Networks as they are compared: `192.0.2.7` is `192.0.2.7/32`."""
    if not isinstance(value, list | tuple):
        raise refused("must be a list of networks")
    return tuple(dict.fromkeys(_network(entry) for entry in _names(value, NETWORKS_MAX, "network")))


def _network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise refused("must be networks as 192.0.2.0/24 or 2001:db8::/32") from None
    if "%" in text:
        raise refused("must be networks without a zone (%)")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise refused("must name IPv4 networks as IPv4, as 192.0.2.0/24")
    if "/" in text and str(network.network_address) != str(ip_network(text.partition("/")[0]).network_address):
        raise refused(f"must have no bits beyond the prefix: {network} was meant?")
    return str(network)


def overlap(value: object) -> int:
    return count(value, at_most=OVERLAP_S_MAX, unit=" seconds")


def webhook_url(value: object) -> str:
    """Only how it is written: where its name leads to is asked by whoever takes it, and again at each delivery."""
    if not isinstance(value, str):
        raise refused("must be a string")
    return value


def kinds(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise refused("must be a list of kinds of events (leave it out or null for all)")
    unknown = [each for each in value if each not in _KINDS]
    if unknown:
        raise refused(f"{str(unknown[0])[:40]} is no kind of event; there are: {', '.join(_KINDS)}")
    return tuple(dict.fromkeys(value))


def role(value: object) -> str:
    if not isinstance(value, str) or value not in _ROLES:
        raise refused(f"must be one of: {', '.join(_ROLES)}")
    return value


def byok(value: object) -> str:
    if not isinstance(value, str) or value not in _BYOK:
        raise refused(f"must be one of: {', '.join(_BYOK)}")
    return value


_BYOK = ("preferred", "required", "off")
_KINDS = tuple(each.value for each in NoticeKind)
_ROLES = tuple(each.value for each in Role)


def _choice(available: str, planned: tuple[str, ...], why: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value == available:
            return available
        if isinstance(value, str) and value in planned:
            raise PydanticCustomError(NOT_AVAILABLE_YET, "{reason}", {"reason": f"{value} is not available yet: {why}"})
        raise refused(f"must be one of: {', '.join((available, *planned))}")

    return read


def _word(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise refused(f"must be one of: {', '.join(words)}")
        return value

    return read


def _absent(what: str) -> Callable[[object], None]:
    def read(value: object) -> None:
        if value is not None:
            raise PydanticCustomError(NOT_AVAILABLE_YET, "{reason}", {"reason": what})

    return read


def _or_null(read: Callable[[object], Any]) -> PlainValidator:
    return PlainValidator(lambda value: None if value is None else read(value))


_MONEY = {"type": "number", "minimum": 0, "maximum": USD_MAX, "examples": [100, 0.25]}
_COUNT = {"type": "integer", "minimum": 0, "maximum": COUNT_MAX}
_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_MAX,
    "pattern": (
        rf"^[^\s\x00-\x1f\x7f-\x9f{_INVISIBLE_CHARACTERS}]"
        rf"([^\x00-\x1f\x7f-\x9f\u2028\u2029{_INVISIBLE_CHARACTERS}]*[^\s\x00-\x1f\x7f-\x9f{_INVISIBLE_CHARACTERS}])?$"
    ),
}


def _schema(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _nullable(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({**schema, "type": [schema["type"], "null"]})


Money = Annotated[int | None, _or_null(nanos), _nullable(_MONEY)]
"""US dollars in JSON, nanos inside; null is no limit."""
Count = Annotated[int | None, _or_null(count), _nullable(_COUNT)]
"""A whole number; null is no limit."""
Name = Annotated[str, PlainValidator(name), _schema(_TEXT)]
Label = Annotated[str, PlainValidator(label), _schema({"anyOf": [_TEXT, {"const": ""}]})]
Email = Annotated[str, PlainValidator(email), _schema({"type": "string", "format": "email", "maxLength": 254})]
Zone = Annotated[str, PlainValidator(time_zone), _schema({"type": "string", "examples": ["UTC", "Europe/Berlin"]})]
Moment = Annotated[int | None, _or_null(moment), _nullable({"type": "string", "format": "date-time"})]
Models = Annotated[
    tuple[str, ...] | None,
    _or_null(models),
    _nullable({"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MODELS_MAX}),
]
Providers = Annotated[
    tuple[str, ...] | None,
    _or_null(providers),
    _nullable({"type": "array", "items": _TEXT, "minItems": 1, "maxItems": PROVIDERS_MAX}),
]
Networks = Annotated[
    tuple[str, ...] | None,
    _or_null(networks),
    _nullable(
        {
            "type": "array",
            "items": {"type": "string", "examples": ["192.0.2.0/24", "2001:db8::/32"]},
            "minItems": 1,
            "maxItems": NETWORKS_MAX,
        }
    ),
]
Overlap = Annotated[int, PlainValidator(overlap), _schema({"type": "integer", "minimum": 0, "maximum": OVERLAP_S_MAX})]
RoleName = Annotated[str, PlainValidator(role), _schema({"type": "string", "enum": list(_ROLES)})]
Thresholds = Annotated[
    tuple[int, ...] | None,
    _or_null(thresholds),
    _nullable(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": PER_CENT_MAX},
            "maxItems": THRESHOLDS_MAX,
            "examples": [[50, 80, 100]],
        }
    ),
]
"""Per cent, lowest first; null is the configuration's."""
TeamId = Annotated[str | None, _or_null(name), _nullable(_TEXT)]
Flag = Annotated[bool, PlainValidator(flag), _schema({"type": "boolean"})]
FailureMode = Annotated[
    str,
    PlainValidator(_word("fail_closed", "fail_open")),
    _schema({"type": "string", "enum": ["fail_closed", "fail_open"]}),
]
ComplianceLevel = Annotated[
    str,
    PlainValidator(_choice("NONE", ("HIPAA", "GDPR", "SOC2", "SOX"), "compliance modes need the guards")),
    _schema({"type": "string", "enum": ["NONE"]}),
]
_URL = {"type": "string", "format": "uri", "maxLength": URL_CHARACTERS_MAX, "pattern": "^https?://"}
WebhookAddress = Annotated[str, PlainValidator(webhook_url), _schema(_URL)]
Kinds = Annotated[
    tuple[str, ...] | None,
    _or_null(kinds),
    _nullable({"type": "array", "items": {"enum": list(_KINDS)}, "minItems": 1}),
]
WebhookUrl = Annotated[
    str | None,
    _or_null(webhook_url),
    _nullable(_URL),
]


PriorityTier = Annotated[
    str,
    PlainValidator(_word("BASIC", "STANDARD", "PREMIUM")),
    _schema({"type": "string", "enum": ["BASIC", "STANDARD", "PREMIUM"]}),
]

CredentialFields = Annotated[
    dict[str, Secret],
    PlainValidator(credential),
    _schema(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": ["string", "object"]},
            "writeOnly": True,
            "examples": [
                {"api_key": "the key as the provider gave it"},
                {"access_key_id": "AKIA…", "secret_access_key": "…", "region": "eu-central-1"},
            ],
        }
    ),
]
"""What is sealed at once and never shown again."""
OrgId = Annotated[str | None, _or_null(name), _nullable(_TEXT)]
ByokPolicy = Annotated[str, PlainValidator(byok), _schema({"enum": list(_BYOK)})]
