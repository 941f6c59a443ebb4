"""What the pipeline hands to a surface: an answer that has begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from onevault.core.codec import Incoming
from onevault.core.events import Event
from onevault.core.identity import Principal
from onevault.core.ports import Admission
from onevault.core.sending import Plan
from onevault.pipeline.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Answer:
    """`events` come in batches as the bytes do; they raise Fault where the answer breaks. `receipt` is complete once the
    exchange is left."""

    incoming: Incoming
    principal: Principal
    admission: Admission
    plan: Plan
    receipt: Receipt
    events: AsyncIterator[Sequence[Event]]
