"""Google's answers to generate: candidates, usage and blocked prompts, whole and in the chunks of a stream.

Written from ai.google.dev/api/generate-content, /gemini-api/docs/thought-signatures and, for what Vertex AI adds,
cloud.google.com/vertex-ai/docs/reference/rest/v1/GenerateContentResponse.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Choice
from onevault.simulator.gemini_image import png
from onevault.simulator.gemini_usage import Generated, Json, complete, running
from onevault.simulator.tokens import MEDIA_TOKENS, pieces_of, tokens_of

_FINISH: Final = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tools": "STOP",
    "stop_sequence": "STOP",
    "content_filter": "SAFETY",
    "refusal": "PROHIBITED_CONTENT",
    "pause": "STOP",
}
_HARM: Final = "HARM_CATEGORY_DANGEROUS_CONTENT"
_EPOCH: Final = datetime(2025, 6, 15, tzinfo=UTC)


def whole(made: Generated) -> Json:
    if made.blocked:
        return blocked(made)
    answer = _head(made)
    answer["candidates"] = [_candidate(made, at, choice) for at, choice in enumerate(made.answer.choices)]
    if not made.behaviour.no_usage:
        answer["usageMetadata"] = complete(made)
    return answer


def chunks(made: Generated) -> Iterator[Json]:
    """One for each piece of text, one for each call or picture; the last of each candidate has its finish reason.

    Usage counts up from chunk to chunk; only the last one is complete.
    """
    if made.blocked:
        yield blocked(made)
        return
    head = _head(made)
    spent = {"thoughtsTokenCount": 0, "candidatesTokenCount": 0}
    turns = [_turn(made, at, choice) for at, choice in enumerate(made.answer.choices)]
    visible = made.output_tokens - made.answer.reasoning_tokens
    ended = 0
    while turns:
        for turn in tuple(turns):
            chunk = next(turn, None)
            if chunk is None:
                turns.remove(turn)
                continue
            candidate, counted, tokens = chunk
            ended += "finishReason" in candidate
            if ended == len(made.answer.choices):
                usage = complete(made)
            else:
                most = made.answer.reasoning_tokens if counted == "thoughtsTokenCount" else visible
                spent[counted] = min(spent[counted] + tokens, most)
                usage = running(made, spent)
            yield {**head, "candidates": [candidate]} | ({} if made.behaviour.no_usage else {"usageMetadata": usage})


def blocked(made: Generated) -> Json:
    """The prompt itself is refused: no candidates."""
    rating = {"category": _HARM, "probability": "HIGH", "blocked": True}
    feedback: Json = {"blockReason": "SAFETY", "safetyRatings": [rating]}
    if made.vertex:
        feedback["blockReasonMessage"] = "The prompt was blocked for safety."
    answer = {**_head(made), "promptFeedback": feedback}
    if not made.behaviour.no_usage:
        answer["usageMetadata"] = running(made, {})
    return answer


def _head(made: Generated) -> Json:
    digest = made.answer.digest
    identity = base64.urlsafe_b64encode(bytes.fromhex(digest[:32])).decode().rstrip("=")
    head: Json = {"modelVersion": made.model, "responseId": identity}
    if made.vertex:
        created = _EPOCH + timedelta(microseconds=int(digest[:10], 16))
        head["createTime"] = created.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return head


def _signature(made: Generated, at: int) -> str:
    """Opaque bytes as Google signs thoughts with; the same for the same request."""
    return base64.b64encode(hashlib.shake_128(f"{made.answer.digest}{at}".encode()).digest(96)).decode()


def _signs(made: Generated) -> bool:
    return made.is_new or bool(made.answer.reasoning_tokens)


def _calls(made: Generated, at: int, choice: Choice) -> list[Json]:
    """The parts of the calls, the first of them signed; a call that the limit cut is not made."""
    parts = []
    for number, call in enumerate(choice.calls):
        try:
            arguments = msgspec.json.decode(call.arguments)
        except msgspec.DecodeError:
            continue
        described: Json = {"name": call.name, "args": arguments}
        if made.is_new:
            described["id"] = f"{made.answer.digest[8 + at : 14 + at]}{number:02x}"
        part: Json = {"functionCall": described}
        if number == 0 and _signs(made):
            part["thoughtSignature"] = _signature(made, at)
        parts.append(part)
    return parts


def _picture(made: Generated, at: int) -> Json:
    data = base64.b64encode(png(made.answer.digest)).decode()
    part: Json = {"inlineData": {"mimeType": "image/png", "data": data}}
    return {**part, "thoughtSignature": _signature(made, at)} if _signs(made) else part


def _closing(made: Generated, at: int, choice: Choice) -> Json:
    """What the text's last part has beside it: the signature, unless a call or a picture has it."""
    signs = _signs(made) and not choice.calls and at >= made.images
    return {"thoughtSignature": _signature(made, at)} if signs else {}


def _index(made: Generated, at: int) -> Json:
    """Vertex AI leaves out an index of 0."""
    return {} if made.vertex and at == 0 else {"index": at}


def _ending(made: Generated, at: int, choice: Choice) -> Json:
    ending: Json = {"finishReason": _FINISH[choice.finish], **_index(made, at)}
    if made.draws and at >= made.images:
        ending["finishReason"] = "MAX_TOKENS"
    if choice.finish == "tools" and made.is_new:
        ending["finishMessage"] = "Model generated function call(s)."
    if choice.finish == "content_filter":
        ending["safetyRatings"] = [{"category": _HARM, "probability": "HIGH", "blocked": True}]
    elif settings := made.request.get("safetySettings"):
        ending["safetyRatings"] = [{"category": one.get("category"), "probability": "NEGLIGIBLE"} for one in settings]
    return ending


def _candidate(made: Generated, at: int, choice: Choice) -> Json:
    parts: list[Json] = []
    if choice.thinking and made.shows_thoughts:
        parts.append({"text": choice.thinking, "thought": True})
    if choice.text:
        parts.append({"text": choice.text, **_closing(made, at, choice)})
    if at < made.images:
        parts.append(_picture(made, at))
    parts += _calls(made, at, choice)
    content = {"role": "model", "parts": parts} if parts else {"role": "model"}
    candidate = {"content": content, **_ending(made, at, choice)}
    return {**candidate, **_logprobs(made, pieces_of(choice.text))}


def _turn(made: Generated, at: int, choice: Choice) -> Iterator[tuple[Json, str, int]]:
    """The candidate of each chunk, the field of the usage that it counts for, and its tokens."""

    def chunk(part: Json, **more: Any) -> Json:
        return {"content": {"role": "model", "parts": [part]}, **_index(made, at), **more}

    if made.shows_thoughts:
        for piece in pieces_of(choice.thinking):
            yield chunk({"text": piece, "thought": True}), "thoughtsTokenCount", tokens_of(piece)
    for piece in pieces_of(choice.text):
        yield chunk({"text": piece}, **_logprobs(made, [piece])), "candidatesTokenCount", tokens_of(piece)
    if at < made.images:
        yield chunk(_picture(made, at)), "candidatesTokenCount", MEDIA_TOKENS
    for call in _calls(made, at, choice):
        yield chunk(call), "candidatesTokenCount", choice.tokens
    last: Json = {"text": "", **_closing(made, at, choice)}
    yield chunk(last, **_ending(made, at, choice)), "candidatesTokenCount", 0


def _logprobs(made: Generated, pieces: list[str]) -> Json:
    """The token itself is the likeliest; the alternatives are the same letters turned around."""
    if not made.config.get("responseLogprobs") or not pieces:
        return {}
    top = made.config.get("logprobs", 0)

    def row(piece: str, rank: int) -> Json:
        text = piece if rank == 0 else f"{piece[::-1]}{rank}"
        return {"token": text, "tokenId": int.from_bytes(text.encode()[:3]), "logProbability": -0.125 * (rank + 1)}

    result: Json = {"chosenCandidates": [row(piece, 0) for piece in pieces]}
    if top:
        result["topCandidates"] = [{"candidates": [row(piece, rank) for rank in range(top)]} for piece in pieces]
    return {"avgLogprobs": -0.125, "logprobsResult": result}
