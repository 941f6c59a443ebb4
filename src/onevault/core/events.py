"""What an answer consists of, whole or streamed: a closed union of events, of which a whole answer is the fold.

Order: one `AnswerStarted`, content, a `ChoiceEnded` for each choice, `UsageReported` any number of times (the last one counts),
exactly one `Finished`. `part` is the ordinal of the content block in the provider's answer, so that neighbouring blocks of
one kind stay apart; `choice` is the index among `n` alternatives. Where the caller's dialect is the target's, content comes
as `Passed` frames instead and nothing is translated.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from onevault.core.usage import Usage


class StopReason(StrEnum):
    """Why a choice ended, in one vocabulary."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    CONTEXT_LENGTH = "context_length"


class AnswerStarted(msgspec.Struct, frozen=True, gc=False):
    id: str
    model: str
    created_s: int | None = None
    service_tier: str | None = None
    fingerprint: str | None = None


class TextAdded(msgspec.Struct, frozen=True, gc=False):
    text: str
    part: int = 0
    choice: int = 0


class RefusalAdded(msgspec.Struct, frozen=True, gc=False):
    text: str
    part: int = 0
    choice: int = 0


class ThinkingAdded(msgspec.Struct, frozen=True, gc=False):
    text: str
    part: int = 0
    choice: int = 0


class ThinkingSigned(msgspec.Struct, frozen=True, gc=False):
    """By which the provider of dialect `by` will know its thinking again; the block ends with it. A block may be a signature
    without text: it then belongs to the part that follows (a tool call) or, at the end, to the part before."""

    signature: str
    part: int = 0
    choice: int = 0
    by: str = ""


class ThinkingRedacted(msgspec.Struct, frozen=True, gc=False):
    """Thinking that the provider of dialect `by` gave only encrypted."""

    data: str
    part: int = 0
    choice: int = 0
    by: str = ""


class Cited(msgspec.Struct, frozen=True, gc=False):
    """What every dialect can say of a citation. `start` and `end` are characters within the text of its part."""

    url: str | None = None
    title: str | None = None
    text: str | None = None
    start: int | None = None
    end: int | None = None


class CitationAdded(msgspec.Struct, frozen=True):
    """One citation of the text in `part`, as JSON of `dialect`; `cited` is what of it others can say (None: nothing)."""

    dialect: str
    raw: msgspec.Raw
    part: int = 0
    choice: int = 0
    cited: Cited | None = None


class ToolCallStarted(msgspec.Struct, frozen=True, gc=False):
    """The `call`-th tool call of this choice begins (0, 1, 2 … in order of appearance)."""

    call: int
    id: str
    name: str
    part: int = 0
    choice: int = 0


class ToolArgumentsAdded(msgspec.Struct, frozen=True, gc=False):
    call: int
    json_text: str
    part: int = 0
    choice: int = 0


class LogprobsAdded(msgspec.Struct, frozen=True):
    """Log probabilities of the tokens just added, as JSON in OpenAI's shape (`{"content": […], "refusal": …}`)."""

    raw: msgspec.Raw
    choice: int = 0


class OpaqueAdded(msgspec.Struct, frozen=True):
    """A whole content block that only `dialect` can say (a server tool's call or result), named by its `kind`."""

    dialect: str
    kind: str
    raw: msgspec.Raw
    part: int = 0
    choice: int = 0


class MediaAdded(msgspec.Struct, frozen=True, gc=False):
    """An image, audio or file that the model made: base64 `data` with its media type, or a `url`. A stream may bring audio in
    pieces of the same `part`. `transcript` is what audio says; `id` names it at the provider, which may forget it at `expires_s`."""

    media_type: str
    data: str = ""
    url: str | None = None
    transcript: str = ""
    id: str | None = None
    expires_s: int | None = None
    part: int = 0
    choice: int = 0


class EmbeddingsMade(msgspec.Struct, frozen=True):
    """The vectors of all inputs, in the order of the inputs."""

    vectors: tuple[tuple[float, ...], ...]
    model: str = ""


class TokensCounted(msgspec.Struct, frozen=True, gc=False):
    """The answer to the question how many tokens an input has."""

    input_tokens: int


class ChoiceEnded(msgspec.Struct, frozen=True, gc=False):
    reason: StopReason
    stop_sequence: str | None = None
    choice: int = 0


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """What the provider has counted so far; a later report replaces an earlier one."""

    usage: Usage


class Passed(msgspec.Struct, frozen=True, gc=False):
    """Bytes for a caller who speaks the target's dialect, untouched: one frame of a stream, or a whole body.

    `output_bytes` is how much generated text (UTF-8) the bytes carry, for a bill when no usage will come.
    """

    raw: bytes
    output_bytes: int = 0


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The provider said that the answer is complete. In a passed stream `raw` is its closing frame, held back so that
    the cost can be told before it."""

    raw: bytes = b""


Event = (
    AnswerStarted
    | TextAdded
    | RefusalAdded
    | ThinkingAdded
    | ThinkingSigned
    | ThinkingRedacted
    | CitationAdded
    | ToolCallStarted
    | ToolArgumentsAdded
    | LogprobsAdded
    | OpaqueAdded
    | MediaAdded
    | EmbeddingsMade
    | TokensCounted
    | ChoiceEnded
    | UsageReported
    | Passed
    | Finished
)
