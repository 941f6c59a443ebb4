"""Keeps users and API keys as bytes in sorted lists, in a third of the memory that the entities take; an entity is made when asked for.

A record begins with what it is found by and has the other fields in msgpack behind it. A user's: id, 0, organization's id, 0. A key's:
SHA-256, user's id, 0, id, 0. A list of records in order needs no dictionary and no ids beside it: it is searched by halves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Final, Generic, TypeVar

import msgspec

from onevault.core.identity import ApiKey, Status, User

T = TypeVar("T", User, ApiKey)
Record = bytes
_END: Final = b"\0"
_DIGEST_BYTES: Final = 32
_encode = msgspec.msgpack.Encoder().encode


def start_of_text(*texts: str) -> bytes:
    """What stands in a head for these texts. No record has a text with NUL in it, so looking for one finds none."""
    return "\0".join((*texts, "")).encode(errors="surrogatepass")


class Form(Generic[T]):
    """How one kind of entity is packed. `head` are the fields that a record begins with."""

    def __init__(self, struct: type[T], *, digest: str | None, texts: tuple[str, str]) -> None:
        self.struct: type[T] = struct
        self._digest = digest
        self._texts = texts
        self._head_bytes = _DIGEST_BYTES if digest else 0
        self._in_head = {*texts, digest}
        self.fields: Final = struct.__struct_fields__
        body = [field for field in msgspec.structs.fields(struct) if field.name not in self._in_head]
        self._body_of = itemgetter(*(self.fields.index(field.name) for field in body))
        self._texts_of = attrgetter(*texts)
        row = msgspec.defstruct(
            f"{struct.__name__}Row", [(field.name, field.type) for field in body], array_like=True, gc=False
        )
        self._row = msgspec.msgpack.Decoder(row)
        self._names = tuple(field.name for field in body)
        self._last: tuple[T, Record] | None = None

    def pack(self, entity: T) -> Record:
        """The record of an entity, the same object for one that was packed just now: whoever keeps it, keeps it once. Raises
        ValueError for an id with NUL in it, and for a digest of another length."""
        last = self._last
        if last is not None and last[0] is entity:
            return last[1]
        head = start_of_text(*self._texts_of(entity))
        if head.count(_END) != len(self._texts):
            raise ValueError(f"{' and '.join(self._texts)} have no NUL in them")
        if self._digest:
            digest: bytes = getattr(entity, self._digest)
            if len(digest) != _DIGEST_BYTES:
                raise ValueError(f"{self._digest} has {_DIGEST_BYTES} bytes")
            head = digest + head
        record = head + _encode(self._body_of(msgspec.structs.astuple(entity)))
        self._last = entity, record
        return record

    def unpack(self, record: Record) -> T:
        """The entity of a record; another object with each call."""
        fields = self._head(record)
        fields.update(zip(self._names, msgspec.structs.astuple(self._row.decode(self.body(record))), strict=True))
        entity: T = self.struct(**fields)
        return entity

    def repack(self, records: list[Record], fields: tuple[str, ...]) -> list[Record]:
        """Records of another version of the entity, which had these fields: those that are new have their defaults. Raises
        msgspec.ValidationError for what this one cannot have."""
        if fields == self.fields:
            return records
        names = [name for name in fields if name not in self._in_head]
        repacked: list[Record] = []
        for record in records:
            values = dict(zip(names, msgspec.msgpack.decode(self.body(record)), strict=True)) | self._head(record)
            repacked.append(self.pack(msgspec.convert(values, self.struct, builtin_types=(bytes,))))
        return repacked

    def start(self, record: Record) -> bytes:
        """What a record begins with that no other one has: `start_of_text` of a user's id, the digest of a key."""
        return record[:_DIGEST_BYTES] if self._digest else record[: record.index(_END) + 1]

    def id(self, record: Record) -> str:
        """The entity's own id."""
        return self.second_text(record) if self._digest else record[: record.index(_END)].decode()

    def first_text(self, record: Record) -> bytes:
        """The first text of the head with its end: the start of the user that a record is of."""
        return record[self._head_bytes : record.index(_END, self._head_bytes) + 1]

    def second_text(self, record: Record) -> str:
        """The second text of the head: a user's organization, or a key's id."""
        first, second = self._ends(record)
        return record[first : second - 1].decode()

    def own_text(self, record: Record) -> bytes:
        """The entity's own id with its end: `start_of_text` of it."""
        return record[self._ends(record)[0] : self._ends(record)[1]] if self._digest else self.first_text(record)

    def texts(self, record: Record) -> bytes:
        """Both texts of the head with their ends."""
        return record[self._head_bytes : self._ends(record)[1]]

    def body(self, record: Record) -> bytes:
        """The fields that are not in the head, as msgpack."""
        return record[self._ends(record)[1] :]

    def records(self, entities: Mapping[str, T]) -> Iterable[Record]:
        """The records of entities; those that are packed already as they are."""
        return entities.packed if isinstance(entities, Packed) else map(self.pack, entities.values())

    def _head(self, record: Record) -> dict[str, Any]:
        first, second = self._ends(record)
        one, two = self._texts
        fields: dict[str, Any] = {
            one: record[self._head_bytes : first - 1].decode(),
            two: record[first : second - 1].decode(),
        }
        if self._digest:
            fields[self._digest] = record[:_DIGEST_BYTES]
        return fields

    def _ends(self, record: Record) -> tuple[int, int]:
        first = record.index(_END, self._head_bytes) + 1
        return first, record.index(_END, first) + 1


USERS: Final[Form[User]] = Form(User, digest=None, texts=("user_id", "org_id"))
KEYS: Final[Form[ApiKey]] = Form(ApiKey, digest="sha256", texts=("user_id", "key_id"))


class UserBrief(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a user that come first in a record's body."""

    email: str
    team_id: str | None
    status: Status


class KeyBrief(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a key that come first in a record's body."""

    prefix: str
    name: str
    status: Status
    test: bool
    expires_at_ms: int | None


_decode_user_brief = msgspec.msgpack.Decoder(UserBrief).decode
_decode_key_brief = msgspec.msgpack.Decoder(KeyBrief).decode


def user_brief(record: Record) -> UserBrief:
    """The little that lists and checks need of a user, at a fifth of the price."""
    return _decode_user_brief(USERS.body(record))


def key_brief(record: Record) -> KeyBrief:
    """The little that counts need of a key."""
    return _decode_key_brief(KEYS.body(record))


def keys_that_end(keys: Mapping[str, ApiKey]) -> Iterator[ApiKey]:
    """Those of the keys whose time ends; the others stay packed."""
    for record in KEYS.records(keys):
        if key_brief(record).expires_at_ms is not None:
            yield KEYS.unpack(record)


class Records:
    """Records in the order of `start`, which gives for each the bytes that no other one has; None: of the records themselves, which
    is quicker where they begin with those bytes. Adding one moves what is behind it: some 50 µs among 100,000."""

    __slots__ = ("_held", "_key", "_start")

    def __init__(
        self, records: Iterable[Record] = (), *, start: Callable[[Record], bytes], plain: bool = False
    ) -> None:
        self._start = start
        self._key = None if plain else start
        self._held = sorted(records, key=self._key)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._held)

    def find(self, start: bytes) -> Record | None:
        """The record with exactly this start."""
        held = self._held
        at = bisect_left(held, start, key=self._key)
        if at < len(held) and self._start(held[at]) == start:
            return held[at]
        return None

    def beginning(self, start: bytes) -> list[Record]:
        """All records whose start begins like this, in order."""
        found: list[Record] = []
        for record in self.since(start):
            if not self._start(record).startswith(start):
                break
            found.append(record)
        return found

    def since(self, start: bytes) -> Iterator[Record]:
        """The records from this start on, itself included."""
        for at in range(bisect_left(self._held, start, key=self._key), len(self._held)):
            yield self._held[at]

    def put(self, record: Record) -> None:
        """Adds a record, in place of the one with the same start."""
        start = self._start(record)
        at = bisect_left(self._held, start, key=self._key)
        if at < len(self._held) and self._start(self._held[at]) == start:
            self._held[at] = record
        else:
            self._held.insert(at, record)

    def drop(self, start: bytes) -> None:
        """Removes the record with this start, if there is one."""
        at = bisect_left(self._held, start, key=self._key)
        if at < len(self._held) and self._start(self._held[at]) == start:
            del self._held[at]


class Packed(Mapping[str, T]):
    """Entities by id, packed: for reading now and then. Who looks often keeps `packed` in an order of its own."""

    def __init__(self, form: Form[T], packed: list[Record]) -> None:
        self.form: Form[T] = form
        self.packed = packed

    def __getitem__(self, entity_id: str) -> T:
        entity: T = self.form.unpack(self._by_id[entity_id])
        return entity

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self.packed)

    def __repr__(self) -> str:
        return f"<{len(self)} × {self.form.struct.__name__}, packed>"  # not each of them: 100,000 take seconds

    @cached_property
    def _by_id(self) -> dict[str, Record]:
        return {self.form.id(record): record for record in self.packed}
