"""The files of a project as types: the project file and the sync files (DESIGN §5)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from clavichord.sync.mistakes import Mistake, Path, dotted


class Place(NamedTuple):
    """Where a value stands: file, and path → (line, column), both from 1."""

    file: str = "(definition)"
    positions: dict[tuple[str | int, ...], tuple[int, int]] = {}  # noqa: RUF012  (a NamedTuple default, never changed)

    def of(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Position of `path`, or of the nearest thing around it; (0, 0) when there is no text."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (0, 0))

    def mistake(self, path: Path, what: str, fix: str = "") -> Mistake:
        line, column = self.of(path)
        return Mistake(self.file, line, column, dotted(path), what, fix)


class Block(BaseModel):
    """A mapping in a file: unknown keys are mistakes, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _expression(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError("empty_expression", "the expression is empty")
    return value


Expression = Annotated[str, BeforeValidator(_expression)]
"""SQL over one source row (DuckDB)."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise PydanticCustomError("duration", "a duration is a number with s, m, h or d: 90s, 5m, 24h, 7d")
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    if isinstance(value, timedelta):
        return value
    raise PydanticCustomError("duration", "a duration needs its unit: 90s, 5m, 24h, 7d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=str),
]


class Share(NamedTuple):
    """A bound on rows: `rows` absolute, or `fraction` of all of them."""

    rows: int | None = None
    fraction: float | None = None

    def exceeded(self, count: int, total: int) -> bool:
        """Is `count` of `total` over the bound? A fraction of nothing is never exceeded."""
        if self.rows is not None:
            return count > self.rows
        return bool(total) and self.fraction is not None and count > self.fraction * total

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.rows is not None else f"{(self.fraction or 0) * 100:g} %"


def _share(value: Any) -> Any:
    if isinstance(value, Share):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Share(rows=value)
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        if match and float(match[1]) <= 100:
            return Share(fraction=float(match[1]) / 100)
    raise PydanticCustomError("share", "a number of rows (500) or a share (2%)")


Bound = Annotated[Share, BeforeValidator(_share, json_schema_input_type=str | int)]


def _zone(value: Any) -> Any:
    if isinstance(value, str) and value not in available_timezones():
        raise PydanticCustomError("zone", "not an IANA time zone: Europe/Paris, America/New_York, UTC")
    return value


Zone = Annotated[str, BeforeValidator(_zone)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]


class Source(Block):
    """Where rows come from: a file, a query, or a table of a connection."""

    file: str | None = None
    sql: str | None = None
    """a query, or the path of one that ends in `.sql`"""
    connection: str | None = None
    table: str | None = None
    key: Expression
    """identifies a row for ever: diff, receipts and dead letters hang on it"""
    types: dict[str, str] = {}
    encoding: str = "utf-8"
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    where: Expression | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        given = [name for name in ("file", "sql", "table") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "origin",
                "`from` needs exactly one of file, sql and table; it has {given}",
                {"given": " and ".join(given) or "none"},
            )
        if self.table is not None and self.connection is None:
            raise PydanticCustomError("origin", "`table` needs a `connection`")
        if self.file is not None and self.connection is not None:
            raise PydanticCustomError(
                "origin", "`file` takes no `connection`: use `table` for a file of the connection"
            )
        return self


class Limits(Block):
    max_changes: Bound | None = None
    """more changed rows than this (share of the rows delivered so far) and nothing is sent"""
    max_removals: Bound | None = None
    """more rows to remove because they left the source than this (share of the rows delivered so far) and nothing is
    sent"""


class Pace(Block):
    """Slower than the account's limits allow. Without it, they alone decide."""

    max_batch: Annotated[int, Field(ge=1)] | None = None
    """entries a request, at most"""
    min_gap: Duration = timedelta(0)
    """between the beginnings of two requests that send something"""


class BadRows(Block):
    stop_over: Bound | None = None
    """more quarantined rows than this (share of the rows read) and nothing is sent"""


class Confirm(Block):
    wait: Duration = timedelta(minutes=5)
    """how long to wait for Klaviyo to finish what it accepted"""
    read_back: Annotated[int, Field(ge=0, le=10_000)] = 50
    """imported profiles that are read again and compared; events and consents are all read back"""


class Example(Block):
    given: dict[str, Any] = Field(alias="in")
    out: dict[str, Any] | None = None
    quarantined: str | None = None


class SyncDefinition(Block):
    """A sync file. What rows become is its destination's business: `clavichord.sync.destinations`."""

    sync: Name
    title: str | None = None
    owner: str | None = None
    account: Name = "main"
    source: Source = Field(alias="from")
    to: str
    blanks: Literal["keep", "clear", "error"] = "keep"
    zone: Zone | None = None
    """the zone of times that carry none"""
    limits: Limits = Limits()
    bad_rows: BadRows = BadRows()
    confirm: Confirm = Confirm()
    pace: Pace = Pace()
    examples: list[Example] = []
    _place: Place = PrivateAttr(default=Place())

    @property
    def place(self) -> Place:
        return self._place

    @property
    def tzinfo(self) -> ZoneInfo | None:
        return ZoneInfo(self.zone) if self.zone else None


class Secret(Block):
    """A reference to a secret; the secret itself stands in no file of the project."""

    kind: Literal["env", "file"]
    value: str


def _secret(value: Any) -> Any:
    if isinstance(value, str):
        kind, _, rest = value.partition(":")
        if rest and kind in ("env", "file"):
            return Secret.model_validate({"kind": kind, "value": rest})
        # The text may be a key: it is not repeated.
        raise PydanticCustomError("secret", "a reference is needed (env:NAME or file:path), never the key itself")
    return value


Reference = Annotated[Secret, BeforeValidator(_secret, json_schema_input_type=str)]


class OAuthApp(Block):
    """An app of Klaviyo (Integrations > Developers > Manage apps), by which accounts can be connected."""

    client_id: str
    client_secret: Reference
    redirect_uri: str = "http://localhost:8756/callback"
    """one of the app's redirect URLs; `clavichord auth login` listens there"""
    scopes: Annotated[list[str], Field(min_length=1)]
    """what the app may do: `profiles:read`, `events:write`, …"""


class Account(Block):
    api_key: Reference | None = None
    """`env:NAME` or `file:path` of a private key"""
    oauth: Name | None = None
    """instead of a key: the app (of `oauth`) by which `clavichord auth login` connects it"""
    base_url: str | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Account:
        if (self.api_key is None) == (self.oauth is None):
            raise PydanticCustomError("account", "an account has either an api_key or an oauth app")
        return self


class Connection(Block):
    files: str
    """folder whose CSV, JSONL and Parquet files are tables"""


class Project(Block):
    """clavichord.yaml"""

    accounts: dict[Name, Account] = {}
    oauth: dict[Name, OAuthApp] = {}
    connections: dict[Name, Connection] = {}
    state: str = ".clavichord"
    _place: Place = PrivateAttr(default=Place())
