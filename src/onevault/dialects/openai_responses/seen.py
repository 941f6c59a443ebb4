"""The shape of a responses answer as far as both ways of reading it have it in common: its state, its end, its usage."""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.events import StopReason, UsageReported
from onevault.core.faults import Fault
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai_responses.usage import ResponsesUsage, ToolUsage, usage_reported

COMPLETED = "response.completed"
INCOMPLETE = "response.incomplete"
FAILED = "response.failed"
TERMINAL = frozenset({COMPLETED, INCOMPLETE, FAILED})
"""The events that end a stream."""

UNDER_WAY = frozenset({"queued", "in_progress"})
"""The states of an answer that the provider goes on with in the background."""


class IncompleteDetails(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The response object, without what it says."""

    id: str = ""
    model: str = ""
    created_at: float | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponsesUsage | None = None
    tool_usage: ToolUsage | None = None
    service_tier: str | None = None


def reason_of(answer: Answer, *, calls: bool, refused: bool) -> StopReason:
    """Why an answer ended; `calls` and `refused` say what is in it."""
    if answer.status == "incomplete":
        why = answer.incomplete_details.reason if answer.incomplete_details is not None else None
        return StopReason.CONTENT_FILTER if why == "content_filter" else StopReason.LENGTH
    if calls:
        return StopReason.TOOL_CALLS
    return StopReason.REFUSAL if refused else StopReason.END


def usage_event(answer: Answer, *, searches: int) -> list[UsageReported]:
    """The report, if the answer has one. `searches` are those that are in it, for servers that do not say how many they bill."""
    if answer.usage is None:
        return []
    told = answer.tool_usage.web_search if answer.tool_usage is not None else None
    if told is not None and told.num_requests is not None:
        searches = told.num_requests
    return [UsageReported(usage_reported(answer.usage, tier=answer.service_tier, searches=searches))]


def failure(answer: Answer) -> Fault:
    """What an answer of status `failed` or `cancelled` means."""
    return fault_in_stream(answer.error if answer.error is not None else {"code": answer.status})
