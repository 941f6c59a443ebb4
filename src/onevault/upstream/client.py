"""The one file that sends bytes to providers: picks the codec, makes the request, and turns what comes back into events or a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.codec import Codec, Decoder, WireRequest
from onevault.core.events import AnswerStarted, Event, Finished, Passed, TokensCounted
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Capability, Dialect, Operation
from onevault.core.relay import RelayedIncoming
from onevault.core.sending import Dispatch
from onevault.core.transport import HttpAnswer, Phase, Transport, TransportError
from onevault.upstream.endpoint import (
    Endpoint,
    http_request,
    in_its_names,
    path_at,
    relayed_request,
    without_credential,
)
from onevault.upstream.models import fitting_dialect
from onevault.upstream.relayed import relay_decoder
from onevault.upstream.stored import StoredCredentials, own_key_refused

ANSWER_BYTES_MAX = 64 << 20
ERROR_BYTES_MAX = 64 << 10
NAMES_TOLD_MAX = 16
NAME_CHARACTERS_MAX = 64
"""Of the fields that a caller invented, when they are told him."""


class ProviderSender:
    """Implements `sending.Sender`. `endpoints` is swapped in whole when the configuration changes."""

    def __init__(
        self,
        transport: Transport,
        codecs: Mapping[Dialect, Codec],
        endpoints: Mapping[str, Endpoint],
        stored: StoredCredentials | None = None,
    ) -> None:
        self._transport = transport
        self._codecs = codecs
        self.endpoints = endpoints
        self._stored = stored

    def send(self, dispatch: Dispatch) -> Attempt:
        return Attempt(self._transport, self._codecs, self.endpoints, dispatch, self._stored)


class Attempt:
    """One attempt, from the first byte sent to the last one read. Iterating gives the events in batches as bytes arrive."""

    __slots__ = (
        "_answer",
        "_codec",
        "_codecs",
        "_decoder",
        "_dispatch",
        "_ended",
        "_endpoints",
        "_exchange",
        "_first",
        "_stored",
        "_transport",
        "caller_status",
        "content_type",
        "dropped",
        "status",
    )

    _exchange: AbstractAsyncContextManager[HttpAnswer] | None
    _codec: Codec
    _decoder: Decoder
    _answer: HttpAnswer

    def __init__(
        self,
        transport: Transport,
        codecs: Mapping[Dialect, Codec],
        endpoints: Mapping[str, Endpoint],
        dispatch: Dispatch,
        stored: StoredCredentials | None = None,
    ) -> None:
        self._transport = transport
        self._codecs = codecs
        self._endpoints = endpoints
        self._stored = stored
        self._dispatch = dispatch
        self._first: Sequence[Event] = ()
        self._ended = False  # whether these are all that there are
        self.status = 0
        self.dropped: tuple[str, ...] = ()
        self.content_type = ""
        self.caller_status = 200

    async def __aenter__(self) -> Attempt:
        target = self._dispatch.target
        if not target.credential:
            return await self._enter()
        try:
            return await self._enter()
        except Fault as fault:
            if (refused := own_key_refused(fault, target.provider)) is not None:
                raise refused from None
            raise

    async def _enter(self) -> Attempt:
        dispatch = self._dispatch
        self._exchange = None
        endpoint = self._endpoints.get(dispatch.target.provider)
        if endpoint is None:
            # The configuration changed between routing and sending.
            raise Fault(FaultKind.PROVIDER_ERROR, f"The provider {dispatch.target.provider} is no longer configured.")
        name = dispatch.target.credential or endpoint.stored_key
        if name:
            if self._stored is None:
                raise Fault(FaultKind.INTERNAL, "The gateway cannot open the provider keys in its vault.")
            endpoint = await self._stored.endpoint(endpoint, name)
        incoming = dispatch.incoming
        relayed = isinstance(incoming, RelayedIncoming)
        if not relayed and not endpoint.dialects[incoming.operation]:
            self.status = 200
            self._first = (TokensCounted(incoming.size.tokens_estimated), Finished())
            return self
        if isinstance(incoming, RelayedIncoming):
            request = relayed_request(endpoint, incoming, dispatch)
        else:
            wire = self._encode(endpoint)
            path = path_at(endpoint, wire, self._codec.dialect, dispatch.target.model)
            request = http_request(endpoint, wire, path, dispatch)
        if endpoint.signer is not None:
            signed = await endpoint.signer.headers(request.method, request.origin, request.path, request.body)
            request = msgspec.structs.replace(request, headers=request.headers + signed)
        self._exchange = self._transport.exchange(request)
        try:
            self._answer = await self._exchange.__aenter__()
        except TransportError as error:
            raise _broken(error, dispatch) from None
        try:
            if isinstance(incoming, RelayedIncoming):
                await self._begin_relaying(incoming, endpoint)
            else:
                await self._begin()
        except BaseException as error:
            if isinstance(error, Fault):
                error.provider_text = without_credential(error.provider_text, endpoint)
            await self._exchange.__aexit__(type(error), error, error.__traceback__)
            raise
        if name and self._stored is not None and self.status < 400:
            self._stored.note_taken(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._exchange is not None:
            await self._exchange.__aexit__(kind, error, trace)

    async def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        yield self._first
        if self._ended or not self._dispatch.incoming.stream:
            return
        try:
            async for data in self._answer:
                events = self._decoder.feed(data)
                if events:
                    yield events
        except TransportError as error:
            raise _broken(error, self._dispatch) from None
        except Fault as fault:
            # What came sound in the same read is the caller's, however the network joined the provider's writes.
            if fault.read_before:
                yield fault.read_before
            raise
        events = self._decoder.close()
        if events:
            yield events

    def _encode(self, endpoint: Endpoint) -> WireRequest:
        """In the caller's own dialect where the provider speaks it for this model, else in the one that fits the request."""
        dispatch, incoming = self._dispatch, self._dispatch.incoming
        target = dispatch.target
        dialects = endpoint.dialects[incoming.operation]
        if target.dialects and incoming.operation is Operation.CHAT:
            dialects = target.dialects
        passing = incoming if incoming.dialect in dialects else None
        canonical = None if passing is not None else incoming.canonical()
        with_tools = isinstance(canonical, ChatRequest) and bool(canonical.tools)
        fitting = (
            incoming.dialect if canonical is None else fitting_dialect(dialects, target.model, with_tools=with_tools)
        )
        self._codec = self._codecs[fitting]
        self._decoder = self._codec.decoder(stream=incoming.stream, passing=passing)
        limit = dispatch.output_tokens_max
        if canonical is None:
            wire = incoming.rewritten(target.model, output_tokens_max=limit)
        else:
            request = msgspec.structs.replace(canonical, model=target.model)
            hints: tuple[str, ...] = ()
            if isinstance(request, ChatRequest):
                if limit is not None:
                    request = msgspec.structs.replace(request, output_tokens_max=limit)
                if request.reasoning is not None and Capability.REASONING in target.lacks:
                    hints = ("reasoning",) if request.reasoning.enabled else ()
                    request = msgspec.structs.replace(request, reasoning=None)
            wire = self._codec.encode(
                request, output_tokens_max=target.output_tokens_max, adaptive_thinking=target.adaptive_thinking
            )
            if hints:
                wire = msgspec.structs.replace(wire, dropped=wire.dropped + hints)
        if endpoint.field_names and incoming.operation is Operation.CHAT:
            wire = in_its_names(wire, endpoint.field_names)
        self.dropped = wire.dropped
        if wire.dropped and incoming.extensions.strict:
            raise _not_strictly(wire.dropped, target.provider)
        return wire

    async def _begin_relaying(self, incoming: RelayedIncoming, endpoint: Endpoint) -> None:
        """Whatever the provider said, its status and its bytes are the answer – but for the gateway's own credential, which
        refusals may quote."""
        self.status = self.caller_status = self._answer.status
        self.content_type = self._answer.headers.get("content-type", "")
        self._decoder = relay_decoder(self._codecs.get(incoming.dialect), incoming, self.content_type)
        self._first = (Passed(b""),)  # the head is passed on before the body comes
        if self.status >= 400:
            try:
                body = await self._answer.read(ANSWER_BYTES_MAX)
            except TransportError as error:
                raise _broken(error, self._dispatch) from None
            told = without_credential(body.decode("latin-1"), endpoint)
            self._first = self._decoder.feed(told.encode("latin-1"))

    async def _begin(self) -> None:
        """Reads until the answer has begun: an error, the whole body, or a stream's first events."""
        answer, stream = self._answer, self._dispatch.incoming.stream
        self.status = answer.status
        self.content_type = answer.headers.get("content-type", "")
        try:
            if not 200 <= answer.status < 300:
                raise self._codec.fault(answer.status, answer.headers, await answer.read(ERROR_BYTES_MAX))
            if not stream:
                body = await answer.read(ANSWER_BYTES_MAX)
                self._first = self._named([*self._decoder.feed(body), *self._decoder.close()])
                return
            async for data in answer:
                self._first = self._named(self._decoder.feed(data))
                if self._first:
                    return
            self._first, self._ended = self._decoder.close(), True
        except TransportError as error:
            raise _broken(error, self._dispatch) from None

    def _named(self, events: list[Event]) -> list[Event]:
        """Some dialects' answers do not say which model gave them; callers of others expect to read it."""
        if events and isinstance(events[0], AnswerStarted) and not events[0].model:
            events[0] = msgspec.structs.replace(events[0], model=self._dispatch.target.model)
        return events


def _not_strictly(dropped: tuple[str, ...], provider: str) -> Fault:
    names = [name[:NAME_CHARACTERS_MAX] for name in dropped[:NAMES_TOLD_MAX]]
    said = ", ".join(names) + (" …" if len(dropped) > len(names) else "")
    return Fault(
        FaultKind.UNSUPPORTED_PARAMETER,
        f"The provider {provider} cannot be told {said}, and x-gateway-strict allows nothing to be dropped.",
        param=names[0],
    )


_DURING = {
    Phase.CONNECT: "could not be connected to",
    Phase.SEND: "did not take the request",
    Phase.HEADERS: "did not answer",
    Phase.BODY: "broke its answer off",
}

_IN_TIME = _DURING | {Phase.BODY: "did not go on with its answer"}


def _broken(error: TransportError, dispatch: Dispatch) -> Fault:
    provider, what = dispatch.target.provider, (_IN_TIME if error.timeout else _DURING)[error.phase]
    if error.timeout:
        return Fault(FaultKind.PROVIDER_TIMEOUT, f"The provider {provider} {what} in time.", provider_text=str(error))
    return Fault(FaultKind.PROVIDER_ERROR, f"The provider {provider} {what}.", provider_text=str(error))
