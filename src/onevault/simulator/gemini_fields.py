"""The fields of Google's requests: which message has which, under which name, and what each may hold.

Written from ai.google.dev/api/generate-content, /api/caching, /api/embeddings and the reference of Vertex AI's REST API
(cloud.google.com/vertex-ai/docs/reference/rest/v1/GenerateContentRequest).
"""

from __future__ import annotations

from typing import Final

Fields = dict[str, str]

# A kind is `string`, `bytes`, `bool`, `int`, `number`, `any` (a free JSON value), an enum as `A|B`, or the name of a message;
# `*` before it: a list of them; `%` before it: a map of them.
_ENUM_TYPE: Final = "TYPE_UNSPECIFIED|STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL"

_MEDIA: Final[Fields] = {"mimeType": "string", "displayName": "string"}

MESSAGES: Final[dict[str, Fields]] = {
    "GenerateContentRequest": {
        "model": "string",
        "contents": "*Content",
        "systemInstruction": "Content",
        "tools": "*Tool",
        "toolConfig": "ToolConfig",
        "safetySettings": "*SafetySetting",
        "generationConfig": "GenerationConfig",
        "cachedContent": "string",
        "serviceTier": "string",
        "store": "bool",
        "labels": "any",
        "modelArmorConfig": "any",
    },
    "CountTokensRequest": {
        "contents": "*Content",
        "generateContentRequest": "GenerateContentRequest",
        "systemInstruction": "Content",
        "tools": "*Tool",
        "generationConfig": "GenerationConfig",
        "instances": "any",
        "model": "string",
    },
    "EmbedContentRequest": {
        "model": "string",
        "content": "Content",
        "taskType": "string",
        "title": "string",
        "outputDimensionality": "int",
        "autoTruncate": "bool",
        "embedContentConfig": "EmbedContentConfig",
    },
    "EmbedContentConfig": {
        "taskType": "string",
        "title": "string",
        "outputDimensionality": "int",
        "autoTruncate": "bool",
        "documentOcr": "bool",
        "audioTrackExtraction": "bool",
    },
    "BatchEmbedContentsRequest": {"requests": "*EmbedContentRequest"},
    "PredictRequest": {"instances": "*Instance", "parameters": "Parameters", "labels": "any"},
    "Instance": {"content": "string", "taskType": "string", "title": "string"},
    "Parameters": {"autoTruncate": "bool", "outputDimensionality": "int"},
    "Content": {"role": "string", "parts": "*Part"},
    "Part": {
        "text": "string",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "executableCode": "any",
        "codeExecutionResult": "any",
        "toolCall": "any",
        "toolResponse": "any",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "videoMetadata": "any",
        "mediaResolution": "any",
        "partMetadata": "any",
    },
    "Blob": {**_MEDIA, "data": "bytes"},
    "FileData": {**_MEDIA, "fileUri": "string"},
    "FunctionCall": {
        "id": "string",
        "name": "string",
        "args": "any",
        "partialArgs": "any",
        "willContinue": "bool",
    },
    "FunctionResponse": {
        "id": "string",
        "name": "string",
        "response": "any",
        "parts": "*FunctionResponsePart",
        "willContinue": "bool",
        "scheduling": "string",
    },
    "FunctionResponsePart": {"inlineData": "Blob", "fileData": "FileData"},
    "Tool": {
        "functionDeclarations": "*FunctionDeclaration",
        "googleSearch": "any",
        "googleSearchRetrieval": "any",
        "codeExecution": "any",
        "urlContext": "any",
        "computerUse": "any",
        "fileSearch": "any",
        "googleMaps": "any",
        "mcpServers": "any",
        "retrieval": "any",
        "enterpriseWebSearch": "any",
    },
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "behavior": "string",
        "parameters": "Schema",
        "parametersJsonSchema": "any",
        "response": "Schema",
        "responseJsonSchema": "any",
    },
    "Schema": {
        "type": _ENUM_TYPE,
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "*string",
        "items": "Schema",
        "minItems": "int",
        "maxItems": "int",
        "properties": "%Schema",
        "required": "*string",
        "propertyOrdering": "*string",
        "minProperties": "int",
        "maxProperties": "int",
        "minimum": "number",
        "maximum": "number",
        "minLength": "int",
        "maxLength": "int",
        "pattern": "string",
        "example": "any",
        "default": "any",
        "anyOf": "*Schema",
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "any",
        "includeServerSideToolInvocations": "bool",
    },
    "FunctionCallingConfig": {
        "mode": "MODE_UNSPECIFIED|AUTO|ANY|NONE|VALIDATED",
        "allowedFunctionNames": "*string",
        "streamFunctionCallArguments": "bool",
    },
    "SafetySetting": {"category": "string", "threshold": "string", "method": "string"},
    "GenerationConfig": {
        "stopSequences": "*string",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "responseJsonSchema": "any",
        "responseModalities": "*MODALITY_UNSPECIFIED|TEXT|IMAGE|AUDIO|VIDEO",
        "responseFormat": "any",
        "candidateCount": "int",
        "maxOutputTokens": "int",
        "temperature": "number",
        "topP": "number",
        "topK": "number",
        "seed": "int",
        "presencePenalty": "number",
        "frequencyPenalty": "number",
        "responseLogprobs": "bool",
        "logprobs": "int",
        "enableEnhancedCivicAnswers": "bool",
        "speechConfig": "any",
        "thinkingConfig": "ThinkingConfig",
        "imageConfig": "any",
        "mediaResolution": "string",
        "audioTimestamp": "bool",
        "routingConfig": "any",
        "modelSelectionConfig": "any",
    },
    "ThinkingConfig": {
        "includeThoughts": "bool",
        "thinkingBudget": "int",
        "thinkingLevel": "THINKING_LEVEL_UNSPECIFIED|MINIMAL|LOW|MEDIUM|HIGH",
    },
}

PART_KINDS: Final = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
"""The oneof `data` of a part."""

VERTEX_SCHEMA: Final[Fields] = {**MESSAGES["Schema"], "additionalProperties": "any", "ref": "string", "defs": "%Schema"}
"""Vertex AI's schemas know more; there a JSON schema's `$ref` and `$defs` are written without the dollar sign too."""
