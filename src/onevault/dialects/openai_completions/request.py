"""Reads a caller's legacy completions request, and says it as a chat with one message where the target speaks another dialect.

Source: OpenAI API reference, "Create completion". Of the model's own tokens, of text behind the prompt and of the prompt's repetition
only this dialect knows, so those are faults for other targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from onevault.core.chat import ChatRequest, Message, Role, Text
from onevault.core.codec import NO_NEEDS, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.openai.chat_body import Count, Share, StreamOptions, check_metadata
from onevault.dialects.openai_completions.names import OPENAI_COMPLETIONS
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of, merged
from onevault.dialects.wire.input_size import text_size
from onevault.dialects.wire.json_body import ABSENT, decoded, fields_of, invalid, present, unsupported

COMPLETIONS_PATH = "/completions"

OUTPUT_TOKENS_DEFAULT = 16
"""OpenAI's `max_tokens` where the caller says nothing."""

PROMPTS_MAX = 2_048


class CompletionsBody(ExtendedBody, frozen=True, kw_only=True):
    prompt: str | list[str | int | list[int]]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=0, le=128)] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Count | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Raw = ABSENT
    logit_bias: Raw = ABSENT
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None


_BODY = msgspec.json.Decoder(CompletionsBody)
_OPTIONS = msgspec.json.Decoder(dict[str, Raw]).decode
_TRUE = Raw(b"true")
_CARRIED = frozenset(CompletionsBody.__struct_fields__) | frozenset(EXTENSION_NAMES)
_NO_METADATA: Mapping[str, str] = {}


class CompletionsIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A completions request, read and valid. `choices` are all that the provider makes, for every prompt."""

    body: bytes
    parsed: CompletionsBody
    model: str | None
    stream: bool
    output_tokens_asked: int | None
    choices: int
    choices_told: int
    size: InputSize
    extensions: Extensions
    metadata: Mapping[str, str]
    end_user: str | None
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    dialect: Dialect = OPENAI_COMPLETIONS
    operation: Operation = Operation.CHAT

    @property
    def usage_asked(self) -> bool:
        """Whether the caller wants the usage chunk of a stream."""
        options = self.parsed.stream_options
        return options is not None and options.include_usage is True

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        if output_tokens_max is not None:
            fields["max_tokens"] = Raw(b"%d" % output_tokens_max)
        if self.stream and not self.usage_asked:
            options = _OPTIONS(fields["stream_options"]) if self.parsed.stream_options is not None else {}
            fields["stream_options"] = Raw(msgspec.json.encode(options | {"include_usage": _TRUE}))
        return WireRequest(COMPLETIONS_PATH, msgspec.json.encode(fields))

    def canonical(self) -> ChatRequest:
        return canonical_of(self.parsed, self.body)

    def with_header_extensions(self, extensions: Extensions) -> CompletionsIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_completions(body: bytes) -> CompletionsIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_BODY, body)
    if parsed.metadata:
        check_metadata(parsed.metadata)
    if parsed.model is not None and not 0 < len(parsed.model) <= 256:
        raise invalid("model", "must have 1 to 256 characters")
    prompts = _prompts(parsed.prompt)
    told = parsed.n or 1
    if parsed.best_of and parsed.best_of < told:
        raise invalid("best_of", "must not be less than n")
    return CompletionsIncoming(
        body=body,
        parsed=parsed,
        model=parsed.model,
        stream=parsed.stream is True,
        output_tokens_asked=parsed.max_tokens or None,
        choices=max(told, parsed.best_of or 1) * prompts,
        choices_told=told * prompts,
        size=text_size(len(body), tools=False),
        extensions=extensions_of(parsed),
        metadata=parsed.metadata or _NO_METADATA,
        end_user=parsed.user,
        service_tier=parsed.service_tier,
    )


def _prompts(prompt: str | list[Any]) -> int:
    """How many prompts there are: a text, texts, tokens, or lists of tokens. Raises Fault INVALID_REQUEST for a mixture."""
    if isinstance(prompt, str):
        return 1
    if not prompt:
        raise invalid("prompt", "must not be empty")
    kind = type(prompt[0])
    for i, entry in enumerate(prompt):
        if type(entry) is not kind:
            raise invalid(f"prompt[{i}]", "is not of the same kind as the first entry")
    if kind is int:
        return 1
    if len(prompt) > PROMPTS_MAX:
        raise invalid("prompt", f"may have {PROMPTS_MAX} entries at most")
    return len(prompt)


def canonical_of(parsed: CompletionsBody, body: bytes) -> ChatRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    only_here = "is not possible at the provider that was chosen"
    if parsed.suffix:
        raise unsupported("suffix", only_here)
    if parsed.echo:
        raise unsupported("echo", only_here)
    if parsed.best_of is not None and parsed.best_of > (parsed.n or 1):
        raise unsupported("best_of", only_here)
    if present(parsed.logprobs) is not None:
        raise unsupported("logprobs", "are not given in this dialect's shape by the provider that was chosen")
    logit_bias = present(parsed.logit_bias)
    return ChatRequest(
        model=parsed.model or "",
        messages=(Message(role=Role.USER, parts=(Text(text=_one_text(parsed.prompt)),)),),
        output_tokens_max=OUTPUT_TOKENS_DEFAULT if parsed.max_tokens is None else max(parsed.max_tokens, 1),
        temperature=parsed.temperature,
        top_p=parsed.top_p,
        top_k=parsed.top_k,
        stop=(parsed.stop,) if isinstance(parsed.stop, str) else tuple(parsed.stop or ()),
        n=parsed.n or 1,
        seed=parsed.seed,
        frequency_penalty=parsed.frequency_penalty,
        presence_penalty=parsed.presence_penalty,
        logit_bias=None if logit_bias is None or bytes(logit_bias) == b"{}" else logit_bias,
        service_tier=parsed.service_tier,
        metadata=parsed.metadata,
        user=parsed.user,
        stream=parsed.stream is True,
        hints=tuple(name for name, raw in fields_of(body).items() if name not in _CARRIED and bytes(raw) != b"null"),
    )


def _one_text(prompt: str | list[Any]) -> str:
    if isinstance(prompt, list):
        if len(prompt) > 1 and isinstance(prompt[0], str):
            raise unsupported("prompt", "must be one text for the provider that was chosen")
        if not isinstance(prompt[0], str):
            raise unsupported("prompt", "must be a text for the provider that was chosen, which has tokens of its own")
        prompt = prompt[0]
    if not prompt:
        raise unsupported("prompt", "must not be empty for the provider that was chosen")
    return prompt
