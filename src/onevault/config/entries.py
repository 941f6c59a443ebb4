"""Makes provider settings of the entries that were written, and says what each of them lacks."""

from __future__ import annotations

import re
from typing import Final, TypeVar
from urllib.parse import urlsplit

from onevault.config.kinds import KINDS
from onevault.config.needs import lacks
from onevault.config.problems import Problem, did_you_mean
from onevault.config.quantities import Refused
from onevault.config.rates import incomplete, price
from onevault.config.schema import AwsKeys, ModelSettings, ProviderSettings, ServiceAccount
from onevault.config.service_account import service_account
from onevault.config.written import ModelWritten, ProviderWritten, TimeoutsWritten, Written
from onevault.core.prices import Price
from onevault.core.sending import Timeouts

ENTRIES_MAX: Final = 200
VAULT: Final = "vault:"
MODELS_MAX: Final = 5_000
T = TypeVar("T")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def providers(written: Written, problems: list[Problem]) -> tuple[ProviderSettings, ...]:
    """The enabled entries in their order. Entries that are switched off are checked as far as they go, then left out."""
    if len(written.providers) > ENTRIES_MAX:
        problems.append(Problem("providers", f"{len(written.providers)} entries", f"at most {ENTRIES_MAX}"))
        return ()
    entries = []
    for name, entry in written.providers.items():
        path = f"providers.{name}"
        if _NAME.fullmatch(name) is None:
            problems.append(Problem(path, "not a name for a provider", "letters, digits, `.`, `_` and `-`; 64 at most"))
        if entry.enabled:
            entries.append(_entry(name, entry, written, problems=problems))
    return tuple(entries)


def _entry(name: str, entry: ProviderWritten, written: Written, *, problems: list[Problem]) -> ProviderSettings:
    path = f"providers.{name}"
    kind = KINDS.get(entry.type or name)
    stored = _stored(entry)
    account = None if stored else _account(f"{path}.service_account", entry, problems)
    if kind is None:
        problems.append(_unknown_kind(path, entry.type or name, entry))
    else:
        project = account.project if account is not None else None
        problems.extend(lacks(path, kind, entry, project=project))
    base_url = _base_url(f"{path}.base_url", entry.base_url, problems)
    models = entry.models or []
    problems.extend(_twice(path, models))
    problems.extend(_at_odds(path, models))
    return ProviderSettings(
        name=name,
        kind=entry.type or name,
        api_key=None if stored else entry.api_key,
        base_url=base_url,
        models=tuple(
            ModelSettings(
                name=model.name,
                aliases=tuple(model.aliases or ()),
                base=model.base,
                capabilities=frozenset(model.capabilities or ()),
                lacks=frozenset(model.lacks or ()),
                context_tokens_max=model.context_length,
                output_tokens_max=model.max_output_tokens,
            )
            for model in models
        ),
        prices=_prices(path, entry, problems),
        timeouts=_timeouts(entry.timeout or TimeoutsWritten(), written.routing.timeout, path=path, problems=problems),
        retries_max=_first(entry.retries, written.routing.retries, 2),
        region=entry.region,
        project=entry.project or (account.project if account is not None else None),
        account_id=entry.account_id,
        gateway_id=entry.gateway_id,
        api_version=entry.api_version,
        gateway_token=entry.gateway_token,
        aws=_aws_keys(entry),
        service_account=account,
        drain_on_hangup=entry.drain_on_hangup,
        stored_key=stored,
    )


def _stored(entry: ProviderWritten) -> str | None:
    """The name of the key in the vault that an entry is called with, where it says `vault:NAME`."""
    for secret in (entry.api_key, entry.service_account):
        if secret is not None and secret.reveal().startswith(VAULT):
            return secret.reveal().removeprefix(VAULT) or None
    return None


def _account(path: str, entry: ProviderWritten, problems: list[Problem]) -> ServiceAccount | None:
    if entry.service_account is None:
        return None
    try:
        return service_account(entry.service_account.reveal())
    except Refused as refusal:
        problems.append(Problem(path, str(refusal), refusal.expected))
        return None


def _aws_keys(entry: ProviderWritten) -> AwsKeys | None:
    if entry.access_key_id is None or entry.secret_access_key is None:
        return None
    return AwsKeys(
        access_key_id=entry.access_key_id,
        secret_access_key=entry.secret_access_key,
        session_token=entry.session_token,
    )


def _unknown_kind(path: str, kind: str, entry: ProviderWritten) -> Problem:
    where = f"{path}.type"
    said = kind.lower().replace("-", "_")
    meant = next((known.name for known in KINDS.values() if said in (known.name, *known.also_called)), None)
    if meant is not None:
        return Problem(where, f"{kind!r} is called {meant} here", f"type: {meant}")
    if entry.type is None:
        return Problem(
            where,
            "missing, and the entry's name is no known provider",
            "openai_compatible, or " + did_you_mean(kind, KINDS),
        )
    return Problem(where, f"{kind!r} is no known kind of provider", did_you_mean(kind, KINDS))


def _base_url(path: str, written: str | None, problems: list[Problem]) -> str | None:
    """The address without its last slash. It is the operator's, so private addresses are fine; what it says never leaves in a
    message, as it may hold a password."""
    if written is None:
        return None
    expected = "http:// or https://, a host, and perhaps a port and a path"
    try:
        parts = urlsplit(written)
        port_is_fine = parts.port is None or 0 < parts.port < 65_536
    except ValueError:
        problems.append(Problem(path, "not a URL", expected))
        return None
    if parts.username is not None or parts.password is not None:
        problems.append(Problem(path, "credentials in a URL end up in logs", "the key in `api_key`"))
    elif parts.query or parts.fragment or "?" in written or "#" in written:
        problems.append(Problem(path, "a query or fragment in a base URL", expected))
    elif (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_fine
        or not written.isascii()
        or re.search(r"[\s\x00-\x1f\\\"<>]", written)
    ):
        problems.append(Problem(path, "not the address of an HTTP API", expected))
    return written.rstrip("/")


def _twice(path: str, models: list[ModelWritten]) -> list[Problem]:
    """Names and aliases that stand in one entry more than once."""
    if len(models) > MODELS_MAX:
        return [Problem(f"{path}.models", f"{len(models)} models", f"at most {MODELS_MAX}")]
    problems = []
    seen: set[str] = set()
    for index, model in enumerate(models):
        for name in (model.name, *(model.aliases or ())):
            if name in seen:
                problems.append(Problem(f"{path}.models[{index}]", f"{name!r} is named twice", "each name once"))
            seen.add(name)
    return problems


def _at_odds(path: str, models: list[ModelWritten]) -> list[Problem]:
    """Capabilities that a model is said both to have and to lack."""
    return [
        Problem(f"{path}.models[{index}].lacks", f"{both.value!r} is among its capabilities too", "one of the two")
        for index, model in enumerate(models)
        for both in sorted({*(model.capabilities or ())} & {*(model.lacks or ())})
    ]


def _prices(path: str, entry: ProviderWritten, problems: list[Problem]) -> dict[str, Price]:
    stated = {f"{path}.prices.{name}": (name, written) for name, written in (entry.prices or {}).items()}
    for index, model in enumerate(entry.models or []):
        if model.prices is not None:
            stated[f"{path}.models[{index}].prices"] = (model.name, model.prices)
    found = {}
    for where, (name, written) in stated.items():
        if (missing := incomplete(written)) is not None:
            problems.append(Problem(f"{where}.{missing}", "missing", "US dollars per million tokens; 0 if it is free"))
        else:
            found[name] = price(written)
    return found


def _timeouts(written: TimeoutsWritten, total_s: float | None, *, path: str, problems: list[Problem]) -> Timeouts:
    """One duration limits every step; a step that is not stated waits its default, but never longer than the whole."""
    default = Timeouts()
    total = _first(written.total, total_s, default.total_s)
    for step in ("connect", "first_event", "stall"):
        said = getattr(written, step)
        if said is not None and said > total:
            problems.append(
                Problem(
                    f"{path}.timeout.{step}", f"longer than the whole call may take ({total:g} s)", "less than `total`"
                )
            )
    return Timeouts(
        connect_s=min(_first(written.connect, default.connect_s), total),
        first_event_s=min(_first(written.first_event, default.first_event_s), total),
        stall_s=min(_first(written.stall, default.stall_s), total),
        total_s=total,
    )


def _first(*values: T | None) -> T:
    """The first value that is said; the last always is."""
    return next(value for value in values if value is not None)
