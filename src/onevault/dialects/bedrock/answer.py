"""Decodes a Converse answer, whole or streamed, into events that every dialect can write.

A stream is complete when `metadata` has come after `messageStop`. Neither form names the answer or its model.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.core.events import AnswerStarted, Event, Finished, UsageReported
from onevault.core.faults import Fault
from onevault.dialects.bedrock.blocks import BlockReader
from onevault.dialects.bedrock.eventstream import Message, MessageCutter
from onevault.dialects.bedrock.faults import fault_in_stream
from onevault.dialects.bedrock.frames import BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, WholeAnswer
from onevault.dialects.bedrock.usage import ServiceTier, usage_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.provider_faults import cut_short, malformed

_DELTA = msgspec.json.Decoder(BlockDelta).decode
_START = msgspec.json.Decoder(BlockStart).decode
_STOP = msgspec.json.Decoder(BlockStop).decode
_MESSAGE_STOP = msgspec.json.Decoder(MessageStop).decode
_METADATA = msgspec.json.Decoder(Metadata).decode
_WHOLE = msgspec.json.Decoder(WholeAnswer).decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ConverseStream:
    """Decodes the binary event stream of ConverseStream."""

    __slots__ = ("_cutter", "_done", "_reader", "_started")

    def __init__(self) -> None:
        self._cutter = MessageCutter()
        self._reader = BlockReader()
        self._started = False
        self._done = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._done:
            return events  # what follows the end is nothing
        try:
            for message in self._cutter.feed(data):
                if not self._done:
                    self._read(message, events)
        except Fault as fault:
            fault.read_before = events
            raise
        return events

    def close(self) -> list[Event]:
        if self._reader.spoiled is not None:
            raise self._reader.spoiled
        if not self._done:
            raise cut_short()
        return []

    def _read(self, message: Message, events: list[Event]) -> None:
        if message.kind != "event":
            raise fault_in_stream(message.name, message.payload)
        try:
            self._apply(message.name, message.payload, events)
        except _NOT_JSON:
            raise malformed("an event that is not in its dialect", message.payload) from None

    def _apply(self, name: str, payload: bytes, events: list[Event]) -> None:
        if not self._started:
            if name != "messageStart":
                raise malformed("an answer without its beginning")
            self._started = True
            events.append(AnswerStarted(id="", model=""))
        elif name == "contentBlockDelta":
            added = _DELTA(payload)
            self._reader.add(added.content_block_index, added.delta, events)
        elif name == "contentBlockStart":
            begun = _START(payload)
            self._reader.start(begun.content_block_index, begun.start, events)
        elif name == "contentBlockStop":
            self._reader.stop(_STOP(payload).content_block_index, events)
        elif name == "messageStop":
            ended = _MESSAGE_STOP(payload)
            self._reader.end(ended.stop_reason, ended.additional_model_response_fields, events)
        elif name == "metadata":
            if not self._reader.ended:
                raise cut_short()
            told = _METADATA(payload)
            if told.usage is not None:
                events.append(UsageReported(usage_of(told.usage, _tier(told.service_tier))))
            self._done = True
            if self._reader.spoiled is None:
                events.append(Finished())


class ConverseWhole(WholeDecoder):
    """Decodes a whole answer once it has come."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        reader = BlockReader()
        try:
            answer = _WHOLE(body)
            message = answer.output.message if answer.output is not None else None
            if message is None or message.content is None or not answer.stop_reason:
                raise malformed("an answer without content", body)
            tier = _tier(answer.service_tier)
            events: list[Event] = [AnswerStarted(id="", model="", service_tier=tier)]
            for index, raw in enumerate(message.content):
                reader.block(index, raw, events)
            reader.end(answer.stop_reason, answer.additional_model_response_fields, events)
        except _NOT_JSON:
            raise malformed("an answer that is not in its dialect", body) from None
        if reader.spoiled is not None:
            raise reader.spoiled
        if answer.usage is not None:
            events.append(UsageReported(usage_of(answer.usage, tier)))
        events.append(Finished())
        return events


def _tier(tier: ServiceTier | None) -> str | None:
    return tier.type if tier is not None else None
