"""What all answers of the admin API share: closed models, errors, pages, and how times and amounts are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from onevault.admin.register import Page
from onevault.core.money import Nanos, usd_for_json

E = TypeVar("E")
T = TypeVar("T")


class Output(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorDetail(Output):
    message: str = Field(description="What is wrong, for people.")
    type: str = Field(description="The family of the error.")
    param: str | None = Field(description="The field at fault.")
    code: str = Field(description="The exact kind, for programs.", examples=["INVALID_REQUEST"])


class ErrorOut(Output):
    error: ErrorDetail


class PageOut(Output, Generic[T]):
    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    next_cursor: str | None = Field(description="Give it as `after` to go on.")


def page_out(page: Page[E], out: Callable[[E], T]) -> PageOut[T]:
    """A page of a list, each entry as `out` shows it."""
    return PageOut(data=[out(entry) for entry in page.entries], has_more=page.after is not None, next_cursor=page.after)


def time_text(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usd(nanos: int | None) -> float | None:
    """Dollars for people; None as it is."""
    return None if nanos is None else usd_for_json(Nanos(nanos))
