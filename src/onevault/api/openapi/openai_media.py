"""OpenAI's surfaces for images and sound as they are described, and reranking, which follows Cohere and Jina."""

from __future__ import annotations

from typing import Any

from onevault.api.openapi.operations import EVENTS, FORM, JSON, call
from onevault.api.openapi.schema import (
    BOOLEAN,
    EXTENSIONS,
    INTEGER,
    MODEL,
    NUMBER,
    OBJECT,
    STRING,
    TEXT,
    Schema,
    array,
    asked,
    either,
    reference,
    struct,
    told,
)

TAG = "Images, sound, ranking"
FILE: Schema = {"type": "string", "format": "binary"}
IMAGES: dict[str, Schema] = {
    "model": MODEL,
    "prompt": told(TEXT | {"maxLength": 32_000}, "What is to be seen."),
    "n": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How many images; each is paid for."},
    "size": told(STRING | {"pattern": r"^(auto|[0-9]{2,5}x[0-9]{2,5})$"}, "`1024x1024`, or `auto`."),
    "quality": told(STRING, "How well it is drawn; prices differ."),
    "response_format": told({"enum": ["url", "b64_json"]}, "An address, or the image itself in Base64."),
    "stream": BOOLEAN,
    "partial_images": told(INTEGER | {"minimum": 0, "maximum": 3}, "How many unfinished images a stream shows."),
    "user": STRING,
}
_FORM_EXTENSIONS = {
    name: told(STRING | {"contentMediaType": "application/json"}, f"`{name}` as JSON.") for name in EXTENSIONS
}
_IMAGE_FILES = "image/png, image/jpeg, image/webp"
_SOUND_FILES = "audio/wav, audio/mpeg, audio/mp4, audio/webm, audio/flac, audio/ogg"

_rerank = call(
    TAG,
    "Documents ranked by a query (Cohere, Jina)",
    "RerankRequest",
    {JSON: "Ranking"},
    example={"model": "auto", "query": "What is a gateway?", "documents": ["A gateway is a passage.", "Tea is hot."]},
)
OPERATIONS: dict[str, Any] = {
    "POST /v1/images/generations create_image": call(
        TAG,
        "Images from a prompt",
        "ImageRequest",
        {JSON: "Images", EVENTS: None},
        example={"model": "gpt-image-1", "prompt": "A lighthouse at dusk"},
    ),
    "POST /v1/images/edits edit_image": call(
        TAG,
        "Images from images and a prompt",
        "ImageEditRequest",
        {JSON: "Images", EVENTS: None},
        example={"model": "gpt-image-1", "prompt": "Add a boat"},
        content_type=FORM,
        encoding={"image": _IMAGE_FILES, "mask": "image/png"},
    ),
    "POST /v1/audio/speech create_speech": call(
        TAG,
        "Speech from a text",
        "SpeechRequest",
        {"audio/*": None, EVENTS: None, "application/octet-stream": None},
        example={"model": "tts-1", "input": "Hello", "voice": "alloy"},
        description="The recording comes as it is spoken. `x-gateway-cost-usd` cannot be told before its end: see `GET /v1/requests/{id}`.",
    ),
    "POST /v1/audio/transcriptions create_transcription": call(
        TAG,
        "Text from speech",
        "TranscriptionRequest",
        {JSON: "Transcript", "text/*": None, "application/octet-stream": None},
        example={"model": "whisper-1"},
        content_type=FORM,
        encoding={"file": _SOUND_FILES},
        description="`text/event-stream` where `stream` is true; `text/plain` for `text`, `srt` and `vtt`.",
    ),
    "POST /v1/rerank create_ranking": _rerank,
    "POST /v2/rerank create_ranking_version_2": _rerank,
}

SCHEMAS: dict[str, Schema] = {
    "ImageRequest": asked(IMAGES | EXTENSIONS, ("prompt",)),
    "ImageEditRequest": struct(
        {
            "image": told(either(FILE, array(FILE, maxItems=16)), "Up to 16 images."),
            "mask": told(FILE, "Where it is transparent, the first image may change."),
            **asked(IMAGES, tuple(IMAGES))["properties"],
            **_FORM_EXTENSIONS,
        },
        ("image", "prompt"),
    ),
    "Images": struct(
        {"created": INTEGER, "data": array(struct({"url": STRING, "b64_json": STRING})), "usage": OBJECT}, ("data",)
    ),
    "SpeechRequest": asked(
        {
            "model": MODEL,
            "input": told(TEXT, "What is to be said."),
            "voice": told(either(STRING, OBJECT), "Whose voice, by the provider's name for it."),
            "response_format": told(STRING, "`mp3`, `wav`, `opus`, `aac`, `flac`, `pcm`."),
            "speed": told(NUMBER | {"exclusiveMinimum": 0}, "1 is as usual."),
            "stream_format": told({"enum": ["sse", "audio"]}, "Events that carry the recording, or its bytes."),
            **EXTENSIONS,
        },
        ("input",),
    ),
    "TranscriptionRequest": struct(
        {
            "file": told(FILE, "The recording."),
            "model": told(MODEL, "`provider/model`, a bare name, an alias, or `auto`."),
            "language": told(STRING, "What is spoken, as ISO 639-1."),
            "prompt": told(STRING, "Names and words that are to be expected."),
            "response_format": told(
                {"enum": ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]}, "How the text is written."
            ),
            "temperature": told(NUMBER | {"minimum": 0, "maximum": 1}, "How freely it guesses."),
            "stream": told(BOOLEAN, "Answer in server-sent events as it is written."),
            **_FORM_EXTENSIONS,
        },
        ("file",),
    ),
    "Transcript": struct({"text": STRING, "usage": OBJECT}, ("text",)),
    "RerankRequest": asked(
        {
            "model": told(TEXT | {"maxLength": 256}, "`provider/model`, a bare name, an alias, or `auto`."),
            "query": told(either(TEXT, OBJECT | {"minProperties": 1}), "What the documents should be about."),
            "documents": told(
                array(either(STRING, OBJECT), minItems=1, maxItems=10_000), "Texts, or objects with texts in them."
            ),
            "top_n": told(INTEGER | {"minimum": 1}, "Only this many, the best ones."),
            "return_documents": told(BOOLEAN, "Whether the answer repeats the documents."),
            "max_tokens_per_doc": told(INTEGER | {"minimum": 1}, "Longer documents are cut."),
            "user": STRING,
            **EXTENSIONS,
        },
        ("query", "documents"),
    ),
    "Ranking": struct({"id": STRING, "results": array(reference("Ranked")), "meta": OBJECT}, ("results",)),
    "Ranked": struct({"index": INTEGER, "relevance_score": NUMBER}, ("index", "relevance_score")),
}
