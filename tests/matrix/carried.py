"""Carries one request to a target, or one answer or error to a caller, exactly as a call goes through the gateway."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from onevault.api.errors import fault_headers, status_of
from onevault.core.codec import AnswerFacts, Incoming, RequestLine, WireRequest
from onevault.core.events import AnswerStarted, Event, Finished, UsageReported
from onevault.core.faults import Fault
from onevault.core.money import Nanos
from onevault.core.usage import NO_USAGE
from onevault.dialects.registry import CODECS, INGRESS
from tests.matrix.cases import ASKED, MODELS, read

OUTPUT_TOKENS_MAX = 8_192
REQUEST_ID = "req_0123456789abcdef"
CREATED_S = 1_700_000_000


def sent(incoming: Incoming, target: str) -> WireRequest:
    """What a provider of the target's dialect is sent. Raises Fault."""
    if incoming.dialect == target:
        return incoming.rewritten(MODELS[target], output_tokens_max=None)
    request = replace(incoming.canonical(), model=MODELS[target])
    return CODECS[target].encode(request, output_tokens_max=OUTPUT_TOKENS_MAX)


def decoded(target: str, answer: bytes, *, stream: bool, passing: Incoming | None = None) -> list[Event]:
    """The events of a provider's answer, which names its model or is given it. Raises Fault."""
    decoder = CODECS[target].decoder(stream=stream, passing=passing)
    events = [*decoder.feed(answer), *decoder.close()]
    if events and isinstance(events[0], AnswerStarted) and not events[0].model:
        events[0] = replace(events[0], model=MODELS[target])
    return events


def facts_of(events: Sequence[Event], target: str) -> AnswerFacts:
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    return AnswerFacts(
        request_id=REQUEST_ID,
        provider="a-provider",
        model=MODELS[target],
        cost=Nanos(1_250_000),
        usage=usages[-1] if usages else NO_USAGE,
        route_reason="the only target",
    )


def told_whole(caller: str, target: str, answer: bytes) -> bytes:
    """A provider's whole answer, as the caller gets it."""
    incoming = read(caller, ASKED[caller])
    events = decoded(target, answer, stream=False, passing=incoming if caller == target else None)
    return (
        INGRESS[caller]
        .writer(incoming, request_id=REQUEST_ID, created_s=CREATED_S)
        .whole(events, facts_of(events, target))
    )


def told_stream(caller: str, target: str, answer: bytes, *, one_by_one: bool = False) -> bytes:
    """A provider's stream, as the caller gets it."""
    incoming = read(caller, ASKED[caller], stream=True)
    events = decoded(target, answer, stream=True, passing=incoming if caller == target else None)
    assert isinstance(events[-1], Finished)
    writer = INGRESS[caller].writer(incoming, request_id=REQUEST_ID, created_s=CREATED_S)
    batches = [[event] for event in events[:-1]] if one_by_one else [events[:-1]]
    return b"".join(writer.write(batch) for batch in batches) + writer.finish(events[-1], facts_of(events, target))


def told_array(target: str, answer: bytes) -> bytes:
    """A provider's stream, as Google's callers get it who do not ask for events."""
    line = RequestLine(path="/v1beta/models/gemini-2.5-pro:streamGenerateContent")
    incoming = INGRESS["gemini"].read(json.dumps(ASKED["gemini"]).encode(), line)
    events = decoded(target, answer, stream=True)
    writer = INGRESS["gemini"].writer(incoming, request_id=REQUEST_ID, created_s=CREATED_S)
    return writer.write(events[:-1]) + writer.finish(events[-1], facts_of(events, target))


def told_as_a_stream(caller: str, target: str, answer: bytes) -> bytes:
    """A provider's whole answer, translated and told in pieces."""
    events = decoded(target, answer, stream=False)
    incoming = read(caller, ASKED[caller], stream=True)
    writer = INGRESS[caller].writer(incoming, request_id=REQUEST_ID, created_s=CREATED_S)
    return writer.write(events[:-1]) + writer.finish(events[-1], facts_of(events, target))


class Refused(NamedTuple):
    """What a caller gets of an error: a status, headers, a body, and what it would be inside a stream."""

    status: int
    headers: dict[str, str]
    body: bytes
    frame: bytes


def fault_of(target: str, status: int, headers: dict[str, str], body: bytes) -> Fault:
    """What a provider's error means; some providers send a refusal as an answer."""
    if status >= 300:
        return CODECS[target].fault(status, headers, body)
    try:
        decoded(target, body, stream=False)
    except Fault as fault:
        return fault
    raise AssertionError("an answer, and no fault")


def refused(caller: str, fault: Fault) -> Refused:
    ingress = INGRESS[caller]
    headers = {name.decode(): value.decode() for name, value in fault_headers(fault)}
    body = ingress.error_body(fault, request_id=REQUEST_ID)
    return Refused(status_of(fault.kind), headers, body, ingress.error_frame(fault, request_id=REQUEST_ID))
