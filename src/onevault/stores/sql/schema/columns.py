"""The column types and the columns that every hub, link and satellite of the vault has, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

TextArray = JSON(none_as_null=True).with_variant(ARRAY(Text), "postgresql")
JsonDocument = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Address = String(45).with_variant(INET, "postgresql")


Nanos = BigInteger
"""Money as it is counted: integer billionths of a dollar."""


class Timestamp(TypeDecorator[datetime]):
    """TIMESTAMPTZ; on SQLite the text `2026-11-21 04:42:14.123456`, always UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


class Usd(TypeDecorator[float]):
    """Dollars for people and reports, wide enough for the exact nano. SQLite keeps it as a float, so nothing counts with it:
    the exact amount stands beside it as integer nanos."""

    impl = Numeric(20, 9, asdecimal=False)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | Decimal | None:
        # PostgreSQL makes a decimal of a float's first fifteen digits; its shortest text has them all.
        return value if value is None or dialect.name == "sqlite" else Decimal(repr(value))


class CurrentLoadDate(FunctionElement[datetime]):
    """`util.current_load_date()`, the default of every load date: the moment of loading, for rows no record dates."""

    inherit_cache = True
    type = Timestamp()


@compiles(CurrentLoadDate, "postgresql")
def _current_load_date_postgresql(element: CurrentLoadDate, compiler: Any, **options: Any) -> str:
    return "util.current_load_date()"


@compiles(CurrentLoadDate)
def _current_load_date_sqlite(element: CurrentLoadDate, compiler: Any, **options: Any) -> str:
    # SQLite has no functions in schemas, and a default that calls one registered by a program would make the file
    # unwritable to every other program; hence the expression itself.
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


def hash_key_column(name: str, *references: str, primary_key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary(32), *map(ForeignKey, references), primary_key=primary_key, nullable=False)


def load_date(*, primary_key: bool = False) -> Column[datetime]:
    return Column("load_date", Timestamp, primary_key=primary_key, nullable=False, server_default=CurrentLoadDate())


def record_source() -> Column[str]:
    return Column("record_source", String(100), nullable=False)


def hub(entity: str, *references: Column[bytes]) -> tuple[Column[Any], ...]:
    """A hub's columns: its hash key, its business key, the hubs it hangs on, when and from where it came."""
    return (
        hash_key_column(f"{entity}_hk", primary_key=True),
        Column(f"{entity}_bk", String(255), nullable=False),
        *references,
        load_date(),
        record_source(),
    )


def satellite(entity: str, parent: str, *, keyed: bool = True) -> tuple[Column[Any], ...]:
    """What every satellite begins with; the primary key is hash key and load date, unless the table says its own.
    `load_end_date` is never written: the views compute it from the next row."""
    return (
        hash_key_column(f"{entity}_hk", parent, primary_key=keyed),
        load_date(primary_key=keyed),
        Column("load_end_date", Timestamp),
        Column("hash_diff", LargeBinary(32), nullable=False),
    )
