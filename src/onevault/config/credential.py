"""What a provider key in the vault holds: the same credentials that an entry of the configuration may state, read from an admin."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from onevault.config import keys
from onevault.config.environment import GATEWAY_KEY_PREFIXES
from onevault.config.kinds import KINDS
from onevault.config.quantities import Refused
from onevault.config.schema import AwsKeys, ProviderSettings
from onevault.config.secret import Secret
from onevault.config.service_account import service_account

CredentialKind = Literal["api_key", "aws", "service_account"]

SECRET_CHARACTERS_MAX: Final = 16 << 10
TAIL_CHARACTERS: Final = 4
TAIL_OF_MIN: Final = 16
"""Of a shorter secret no end is shown: it would give away a quarter of it."""
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,40}")
_AZURE_HOSTS: Final = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
"""Where Azure serves a customer's own resource (learn.microsoft.com/azure/ai-foundry/openai/supported-languages)."""
_GOOGLE_TOKENS: Final = "https://oauth2.googleapis.com/token"
_FIELDS: Final = {
    "api_key": ("api_key", "base_url"),
    "aws": ("access_key_id", "secret_access_key", "session_token", "region"),
    "service_account": ("service_account", "region"),
}


class Credential(msgspec.Struct, frozen=True):
    """A credential as it is written: one of its kinds, with what belongs to the customer's account beside it."""

    kind: CredentialKind
    fields: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Credential({self.kind})"

    @property
    def main_secret(self) -> str:
        """What makes it secret, and what two equal credentials have in common."""
        return self.fields["secret_access_key" if self.kind == "aws" else self.kind]

    @property
    def tail(self) -> str:
        """The end by which people tell it from others: of a key, of an access key's id, of the id of an account's key."""
        shown = self.fields["access_key_id"] if self.kind == "aws" else self.main_secret
        if self.kind == "service_account":
            shown = str(json.loads(shown).get("private_key_id") or "")
        return shown[-TAIL_CHARACTERS:] if len(shown) >= TAIL_OF_MIN else ""

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    def applied(self, entry: ProviderSettings) -> ProviderSettings:
        """The entry as it is reached with this credential and none of the operator's for this provider."""
        fields = self.fields
        bare = msgspec.structs.replace(entry, api_key=None, aws=None, service_account=None, stored_key=None)
        region = fields.get("region") or entry.region
        match self.kind:
            case "api_key":
                base_url = fields.get("base_url") or entry.base_url
                return msgspec.structs.replace(bare, api_key=Secret(fields["api_key"]), base_url=base_url)
            case "aws":
                session = fields.get("session_token")
                aws = AwsKeys(
                    access_key_id=Secret(fields["access_key_id"]),
                    secret_access_key=Secret(fields["secret_access_key"]),
                    session_token=Secret(session) if session else None,
                )
                return msgspec.structs.replace(bare, aws=aws, region=region)
            case "service_account":
                account = service_account(fields["service_account"])
                project = account.project or entry.project
                return msgspec.structs.replace(bare, service_account=account, project=project, region=region)


def credential_of(data: bytes) -> Credential:
    """A credential as `to_bytes` wrote it."""
    return msgspec.json.decode(data, type=Credential)


def read_credential(written: Mapping[str, str], entry: ProviderSettings) -> Credential:
    """What an admin gave for an entry. Raises Refused, whose message begins with the field and never quotes what it read."""
    kind = next((kind for kind, fields in _FIELDS.items() if fields[0] in written), None)
    if kind is None:
        raise Refused(f"{_names(entry)[0]}: missing", f"one of: {', '.join(_names(entry))}")
    unknown = next((name for name in written if name not in _FIELDS[kind]), None)
    if unknown is not None:
        raise Refused(
            f"{unknown}: does not belong to this kind of credential", f"beside it: {', '.join(_FIELDS[kind])}"
        )
    takes = KINDS[entry.kind].takes
    if _FIELDS[kind][0] not in takes:
        raise Refused(
            f"{_FIELDS[kind][0]}: providers of type {entry.kind} take no such credential",
            f"one of: {', '.join(_names(entry))}",
        )
    if kind == "aws" and "secret_access_key" not in written:
        raise Refused("secret_access_key: missing beside access_key_id", "both, as AWS gives them")
    for name, value in written.items():
        _check(name, value, entry)
    return Credential(kind, dict(written))  # type: ignore[arg-type]  # the names of _FIELDS


def _names(entry: ProviderSettings) -> list[str]:
    takes = KINDS[entry.kind].takes
    return [fields[0] for fields in _FIELDS.values() if fields[0] in takes] or ["api_key"]


def _check(name: str, value: str, entry: ProviderSettings) -> None:
    if not value or len(value) > SECRET_CHARACTERS_MAX:
        raise Refused(f"{name}: empty, or longer than any credential", "it as the provider gave it")
    match name:
        case "service_account":
            _check_account(value, entry)
        case "region":
            if _REGION.fullmatch(value) is None:
                raise Refused("region: not the name of a region", "as eu-central-1 or europe-west4")
        case "base_url":
            _check_azure(value, entry)
        case _:
            if not value.isascii() or not value.isprintable() or " " in value:
                raise Refused(f"{name}: has spaces or characters that no key has", "the key as the provider gave it")
            if keys.placeholder(value):
                raise Refused(f"{name}: a placeholder", "the key that the provider gave")
            if value.startswith(GATEWAY_KEY_PREFIXES):
                raise Refused(f"{name}: a key of this gateway", "the key that the provider gave")


def _check_account(text: str, entry: ProviderSettings) -> None:
    """Never a path, as it may be in the operator's own file: nobody makes the gateway read one. What it signs goes to Google, or
    where the operator's own account has its tokens from."""
    if not text.lstrip().startswith("{"):
        raise Refused("service_account: not the JSON of a service account's key", "its JSON, as Google gives it")
    try:
        account = service_account(text)
    except Refused as refusal:
        raise Refused(f"service_account: {refusal}", refusal.expected) from None
    trusted = {_GOOGLE_TOKENS} | ({entry.service_account.token_uri} if entry.service_account is not None else set())
    if account.token_uri not in trusted:
        raise Refused("service_account: its token_uri is not Google's", _GOOGLE_TOKENS)


def _check_azure(url: str, entry: ProviderSettings) -> None:
    """A customer's key for Azure is one for its own resource. Nothing else is ever connected to because a customer says so."""
    expected = "https://NAME.openai.azure.com, NAME.services.ai.azure.com or NAME.cognitiveservices.azure.com"
    if KINDS[entry.kind].credential != "api-key":
        raise Refused("base_url: the operator's configuration says where this provider is", "nothing: leave it out")
    if not url.isascii() or re.search(r"[\s\\@?#%<>\"]", url):
        raise Refused("base_url: not the address of an Azure resource", expected)
    parts = urlsplit(url)
    name, dot, domain = (parts.hostname or "").partition(".")
    if parts.scheme != "https" or parts.netloc != parts.hostname or dot + domain not in _AZURE_HOSTS or not name:
        raise Refused("base_url: not the address of an Azure resource", expected)
