"""Request extensions for clients that can set headers but not fields: `x-gateway-providers`, `-max-cost`, and so on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from onevault.core.codec import Budget, Extensions, Routing
from onevault.core.faults import Fault, FaultKind

_PAIRS_MAX = 16
_Name = Annotated[str, msgspec.Meta(max_length=64)]
_Value = Annotated[str, msgspec.Meta(max_length=512)]
_Pairs = Annotated[dict[_Name, _Value], msgspec.Meta(max_length=_PAIRS_MAX)]
_decode_metadata: Callable[[bytes], dict[str, str]] = msgspec.json.Decoder(_Pairs).decode
_NOT_YET = {
    b"x-gateway-strategy": ("ordered",),
    b"x-gateway-cache": ("bypass", "off", "false", "0"),
}
"""What these may ask for in this version: the way things are anyway."""


def header_extensions(headers: dict[bytes, bytes]) -> Extensions | None:
    """Extensions told by headers; None where there are none. Raises Fault INVALID_REQUEST or UNSUPPORTED_PARAMETER."""
    for name, values in _NOT_YET.items():
        value = headers.get(name)
        if value is not None and value.decode("latin-1").strip().lower() not in values:
            raise Fault(
                FaultKind.UNSUPPORTED_PARAMETER,
                f"This version supports only {' or '.join(values)} in {name.decode()}.",
                param=name.decode(),
            )
    providers = headers.get(b"x-gateway-providers")
    cost = headers.get(b"x-gateway-max-cost")
    metadata = headers.get(b"x-gateway-metadata")
    strict = _flag(headers.get(b"x-gateway-strict"))
    if providers is None and cost is None and metadata is None and not strict:
        return None
    names = tuple(name.strip() for name in (providers or b"").decode("latin-1").split(",") if name.strip())
    return Extensions(Routing(providers=names), Budget(max_cost_per_request=_usd(cost)), _metadata(metadata), strict)


def _flag(value: bytes | None) -> bool:
    text = (value or b"false").decode("latin-1").strip().lower()
    if text not in ("true", "1", "false", "0"):
        raise Fault(FaultKind.INVALID_REQUEST, "x-gateway-strict must be true or false.", param="x-gateway-strict")
    return text in ("true", "1")


def _usd(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise Fault(
            FaultKind.INVALID_REQUEST, "x-gateway-max-cost must be an amount of US dollars.", param="x-gateway-max-cost"
        ) from None


def _metadata(value: bytes | None) -> dict[str, str]:
    if value is None:
        return {}
    try:
        return _decode_metadata(value)
    except msgspec.MsgspecError:
        raise Fault(
            FaultKind.INVALID_REQUEST,
            f"x-gateway-metadata must be a JSON object of at most {_PAIRS_MAX} pairs of strings.",
            param="x-gateway-metadata",
        ) from None
