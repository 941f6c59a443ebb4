"""Cloudflare's AI Gateway: OpenAI's chat with the provider before the model's name, and headers of its own.

Written from developers.cloudflare.com/ai-gateway/usage/chat-completion and /ai-gateway/configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from onevault.simulator import openai_chat
from onevault.simulator.faults import invalid
from onevault.simulator.openai_format import OPENAI
from onevault.simulator.openai_reading import read
from onevault.simulator.reply import Reply
from onevault.simulator.request import Request
from onevault.simulator.turn import Route, Turn

_fields: Final = msgspec.json.Decoder(dict[str, Any])


def _key_of(request: Request) -> str:
    """The provider's key, or the gateway's own where the provider's is kept there."""
    own = request.headers.get(b"cf-aig-authorization", b"").decode("latin-1")
    return OPENAI.key_of(request) or own.removeprefix("Bearer ").strip()


def _success_headers(served: int) -> bytes:
    log = b"cf-aig-cache-status: MISS\r\ncf-aig-step: 0\r\ncf-aig-log-id: log_%032x\r\n" % served
    return OPENAI.success_headers(served) + log


CLOUDFLARE: Final = replace(
    OPENAI, name="cloudflare", key_of=_key_of, success_headers=_success_headers, prefixes=("/compat/",)
)


def serve(turn: Turn) -> Reply:
    """The model that answers is the one after the provider's name."""
    fields = read(_fields, turn.request.body)
    named = fields.get("model")
    if isinstance(named, str):
        provider, slash, model = named.partition("/")
        if not provider or not slash or not model:
            raise invalid(f"Invalid model '{named}': expected provider/model.", param="model", code="invalid_value")
        turn.request.body = msgspec.json.encode({**fields, "model": model})
    return openai_chat.serve(turn)


ROUTES: Final = (
    Route("POST", "/compat/chat/completions", serve, CLOUDFLARE),
    Route("POST", "/v1/{account}/{gateway}/compat/chat/completions", serve, CLOUDFLARE),
)
