"""What a kind of provider is: one row of data that says where it is, how it is spoken to, and what its entries state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from onevault.core.operations import Dialect, Operation
from onevault.core.prices import Price
from onevault.core.sending import CancellingStopsBill

Credential = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key", "every", "cloudflare", "aws", "gcp"]
"""How an entry's credential is sent: as `authorization: Bearer`, in the header of this name, in each of these, with Cloudflare's
own header beside the provider's, signed into each request (AWS Signature Version 4) unless it is a bearer key, or as a token that
is fetched for a service account."""

SECRETS: Final = (
    "api_key",
    "gateway_token",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "service_account",
)
"""Fields of an entry that nobody may see, and that go only to the address they are meant for."""

PLACES: Final = ("region", "project", "account_id", "gateway_id", "api_version")
"""Fields of an entry that say which part of a provider is meant."""

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
_NO_PRICES: Final[Mapping[str, Price]] = MappingProxyType({})


class Need(msgspec.Struct, frozen=True):
    """An entry must state one of `fields`; `expected` is what it is told where it states none."""

    fields: tuple[str, ...]
    expected: str


class ProviderKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of provider. An operation that it lacks is an absent key of `codecs`; one with no dialect is answered by the
    gateway itself. The first dialect is used where the caller's own is not among them.

    `base_url` None: the entry must say where it is (for tests: the built-in simulator). In it and in `version_path`, `{region}`
    and the other PLACES stand for what the entry says.
    """

    name: str
    codecs: Mapping[Operation, tuple[Dialect, ...]]
    credential: Credential = "bearer"
    base_url: str | None = None
    base_url_in: Mapping[str, str] = _NO_NAMES
    """Another one in some regions, by region."""
    version_path: str = ""
    """What a base URL ends in when it is complete; added to one that stops before it, as some customarily do."""
    cuts: tuple[str, ...] = ()
    """What a base URL may customarily end in beyond where ours does: cut off."""
    prefixes: Mapping[Dialect, str] = _NO_NAMES
    """What comes between the base URL and the path of a dialect; `{model}` is the model's name."""
    dated_prefixes: Mapping[Dialect, str] = _NO_NAMES
    """What comes there instead, without `version_path`, where the entry's `api_version` is a date."""
    passes_headers: frozenset[str] = frozenset()
    """The caller's headers that it may want, in lower case."""
    metadata_header: str = ""
    """The header that it takes a call's metadata in, as JSON."""
    field_names: Mapping[str, str | None] = _NO_NAMES
    """What it calls fields of OpenAI's chat, where it refuses requests with others; "": it has none such, None: it needs none."""
    cost_header: str = ""
    """The header that it is told configured prices in: US dollars per token, as JSON."""

    needs: tuple[Need, ...] = ()
    takes: frozenset[str] = frozenset({"api_key"})
    """Which of SECRETS and PLACES an entry may state."""
    variables: Mapping[str, tuple[str, ...]] = _NO_VARIABLES
    """The environment variables that complete a field (the first that is set), as the provider's own SDKs read them."""
    made_by: str = ""
    """The field whose variable makes an entry where the configuration lists none; "": none does."""
    also_called: tuple[str, ...] = ()
    """What people call it, too: to be told its name here."""

    prices_from: tuple[str, ...] = ()
    """The providers in the price data whose models it has at their prices; empty: told by the address."""
    prices: Mapping[str, Price] = _NO_PRICES
    """Prices of its own models, by name."""
    default_models: tuple[str, ...] = ()
    """All that an entry without `models` lists; empty: what the price data lists."""
    listed_first: tuple[str, ...] = ()
    """Which of those comes first, and so answers where no model is named and no default is configured."""
    priced_elsewhere: tuple[str, ...] = ()
    """Beginnings of names that its prices have and that cannot be called in the dialects it speaks here."""
    cancelling_stops_bill: CancellingStopsBill = "never"
    """As far as is publicly known. Where it does not, an answer is read to its end for its usage though its caller hung up."""
    unsaid_tiers: tuple[str, ...] = ()
    """Tiers of service that the account's own settings there may choose for calls that ask for none."""
    for_tests: bool = False
    """Test keys reach it, and live keys only where it lists a model or nothing else is configured."""

    @property
    def needs_base_url(self) -> bool:
        return any("base_url" in need.fields for need in self.needs)


_OPERATIONS: Final = {
    "openai-chat": Operation.CHAT,
    "openai-responses": Operation.CHAT,
    "openai-completions": Operation.CHAT,
    "anthropic-messages": Operation.CHAT,
    "gemini": Operation.CHAT,
    "bedrock-converse": Operation.CHAT,
    "cohere-chat": Operation.CHAT,
    "ollama-chat": Operation.CHAT,
    "openai-embeddings": Operation.EMBEDDINGS,
    "gemini-embeddings": Operation.EMBEDDINGS,
    "vertex-embeddings": Operation.EMBEDDINGS,
    "bedrock-embeddings": Operation.EMBEDDINGS,
    "cohere-embeddings": Operation.EMBEDDINGS,
    "ollama-embeddings": Operation.EMBEDDINGS,
    "anthropic-count-tokens": Operation.COUNT_TOKENS,
    "gemini-count-tokens": Operation.COUNT_TOKENS,
    "vertex-count-tokens": Operation.COUNT_TOKENS,
    "bedrock-count-tokens": Operation.COUNT_TOKENS,
    "openai-images": Operation.IMAGES,
    "openai-image-edits": Operation.IMAGE_EDITS,
    "openai-speech": Operation.SPEECH,
    "openai-transcriptions": Operation.TRANSCRIPTION,
    "openai-moderations": Operation.MODERATION,
    "rerank": Operation.RERANK,
}


def spoken(*dialects: Dialect) -> Mapping[Operation, tuple[Dialect, ...]]:
    """The codecs of these dialects, in their order. Where a provider of chats has none to count tokens, the gateway estimates."""
    found: dict[Operation, tuple[Dialect, ...]] = {}
    for dialect in dialects:
        operation = _OPERATIONS[dialect]
        found[operation] = (*found.get(operation, ()), dialect)
    if Operation.CHAT in found:
        found.setdefault(Operation.COUNT_TOKENS, ())
    return MappingProxyType(found)


def compatible(
    name: str,
    base_url: str,
    *,
    key: str | None,
    speaks: tuple[Dialect, ...],
    priced_as: str = "",
    also: tuple[str, ...] = (),
    cancelling_stops_bill: CancellingStopsBill = "never",
    field_names: Mapping[str, str | None] = _NO_NAMES,
) -> ProviderKind:
    """A provider that takes its key as `authorization: Bearer` and is otherwise an address. `key` names the variable that its
    SDKs read the key from, and that makes an entry; None: a server of one's own, which sends no bill and whose address
    (`NAME_BASE_URL`) makes one."""
    address = f"{name.upper()}_BASE_URL"
    return ProviderKind(
        name=name,
        base_url=base_url,
        codecs=spoken(*speaks),
        needs=(Need(("api_key",), f"the key, or ${{{key}}}"),) if key else (),
        variables={"api_key": (key or f"{name.upper()}_API_KEY",), "base_url": (address,)},
        made_by="api_key" if key else "base_url",
        prices_from=(priced_as,) if priced_as else (),
        also_called=also,
        cancelling_stops_bill=cancelling_stops_bill if key else "always",
        field_names=field_names,
    )
