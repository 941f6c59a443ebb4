"""Which path is whose: the routes of all formats, and the format that words the errors where no route is found."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from onevault.simulator import (
    anthropic_messages,
    azure,
    bedrock_converse,
    bedrock_embeddings,
    cloudflare,
    cohere_chat,
    cohere_embed,
    completions,
    gemini_embeddings,
    gemini_generate,
    gemini_models,
    images,
    models,
    moderations,
    observation,
    ollama_chat,
    ollama_models,
    openai_chat,
    openai_embeddings,
    rerank,
    responses,
    speech,
    transcriptions,
    vertex_generate,
    vertex_tokens,
)
from onevault.simulator.anthropic_format import ANTHROPIC
from onevault.simulator.faults import invalid
from onevault.simulator.format import Format
from onevault.simulator.gemini_format import GEMINI, is_asked_by
from onevault.simulator.openai_format import OPENAI
from onevault.simulator.request import Request
from onevault.simulator.turn import Route

ROUTES: Final[tuple[Route, ...]] = (
    *openai_chat.ROUTES,
    *openai_embeddings.ROUTES,
    *responses.ROUTES,
    *completions.ROUTES,
    *images.ROUTES,
    *speech.ROUTES,
    *transcriptions.ROUTES,
    *moderations.ROUTES,
    *rerank.ROUTES,
    *azure.ROUTES,
    *cloudflare.ROUTES,
    *cohere_chat.ROUTES,
    *cohere_embed.ROUTES,
    *ollama_chat.ROUTES,
    *ollama_models.ROUTES,
    *anthropic_messages.ROUTES,
    *gemini_generate.ROUTES,
    *gemini_embeddings.ROUTES,
    *gemini_models.ROUTES,
    *vertex_generate.ROUTES,
    *vertex_tokens.ROUTES,
    *bedrock_converse.ROUTES,
    *bedrock_embeddings.ROUTES,
    *models.ROUTES,
    *observation.ROUTES,
)
"""A format joins by its module's `ROUTES`."""

FORMATS: Final[tuple[Format, ...]] = tuple(dict.fromkeys(route.format for route in ROUTES))

_PLACE: Final = re.compile(r"\{(\w+)(\*?)\}")


def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` becomes a group of its name; all else stands for itself."""
    written = ""
    end = 0
    for place in _PLACE.finditer(path):
        written += re.escape(path[end : place.start()]) + f"(?P<{place[1]}>{'.+' if place[2] else '[^/]+?'})"
        end = place.end()
    return re.compile(written + re.escape(path[end:]))


Methods = dict[str, Route]


def _tables() -> tuple[dict[str, Methods], list[tuple[re.Pattern[str], Methods]]]:
    by_path: dict[str, Methods] = {}
    for route in ROUTES:
        methods = by_path.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        methods[route.method] = route
    exact = {path: methods for path, methods in by_path.items() if "{" not in path}
    return exact, [(_pattern(path), methods) for path, methods in by_path.items() if "{" in path]


_EXACT, _PATTERNS = _tables()


def _methods(path: str) -> tuple[Methods, dict[str, str]]:
    exact = _EXACT.get(path)
    if exact is not None:
        return exact, {}
    for pattern, methods in _PATTERNS:
        if match := pattern.fullmatch(path):
            return methods, {name: unquote(value) for name, value in match.groupdict().items()}
    return {}, {}


def find(request: Request) -> tuple[Route, dict[str, str]]:
    """The route, and what stands in the places that its path names. Raises Refused: 404, or 405 for another method."""
    methods, parts = _methods(request.path)
    if not methods:
        raise invalid(f"Invalid URL ({request.method} {request.path})", status=404)
    route = methods.get(request.method)
    if route is None:
        message = f"Not allowed to {request.method} on {request.path}."
        raise invalid(message, code="method_not_supported", status=405)
    return route, parts


def format_of(request: Request) -> Format:
    """The format of the route, whatever the method; else that of the longest prefix; else OpenAI's.

    Where a path is OpenAI's, the header `anthropic-version` makes it Anthropic's, and a key sent in Google's way Google's:
    `/v1/models` is all three's.
    """
    methods, _ = _methods(request.path)
    if methods:
        found = next(iter(methods.values())).format
    else:
        path = request.path
        claims = [
            (len(prefix), at) for at, own in enumerate(FORMATS) for prefix in own.prefixes if path.startswith(prefix)
        ]
        found = FORMATS[max(claims)[1]] if claims else OPENAI
    if found is OPENAI and request.path.startswith("/v1/models") and is_asked_by(request):
        return GEMINI
    return ANTHROPIC if found is OPENAI and b"anthropic-version" in request.headers else found
