"""Takes secrets out of text that is about to be kept or logged."""

from __future__ import annotations

import re

TEXT_CHARACTERS_MAX = 500

_SECRETS = re.compile(
    r"gw_(?:live|test)_[A-Za-z0-9]+"
    r"|\b(?:sk|pk|rk|xai|gsk|hf|pplx|r8)[-_][A-Za-z0-9_\-*.]{6,}"
    r"|\bAIza[0-9A-Za-z_\-]{10,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,2}"
    r"|(?i:\bbearer\s+)[^\s\"',]+"
    r"|(?i:(?:api[-_ ]?key|token|secret|password|authorization)\"?\s*[:=]\s*\"?)[^\s\"',}]+"
)


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`, bounded to TEXT_CHARACTERS_MAX."""
    if not text:
        return ""
    return _SECRETS.sub("[redacted]", text[: 4 * TEXT_CHARACTERS_MAX])[:TEXT_CHARACTERS_MAX]
