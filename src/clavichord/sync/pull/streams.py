"""The streams as data: which operation, which window, which key, which columns. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

GRAIN = 1
"""seconds: the step of every time axis. Klaviyo compares and shows whole seconds (FACTS §8.1, LIVE 11)."""


class Window(Struct, frozen=True):
    """A time axis that a stream can be filtered by and sorted on, ascending."""

    field: str
    strict: bool = False
    """only greater-than and less-than exist (profiles, FACTS §4.1): one grain of overlap makes up for it"""

    def query(self, lo: int | None, hi: int | None) -> dict[str, str]:
        """The parameters that select [lo, hi), unix seconds; None = open. `strict`: rows just below lo come too."""
        bounds = []
        if lo is not None:
            first = (
                f"greater-than({self.field},{iso(lo - GRAIN)})"
                if self.strict
                else f"greater-or-equal({self.field},{iso(lo)})"
            )
            bounds.append(first)
        if hi is not None:
            bounds.append(f"less-than({self.field},{iso(hi)})")
        return {"sort": self.field} | ({"filter": ",".join(bounds)} if bounds else {})


class Column(Struct, frozen=True):
    """A typed column, filled from the resource; what does not fit its type becomes null, the raw row keeps it."""

    name: str
    type: str
    path: tuple[str, ...]
    pointer: str = ""
    """JSON pointer inside the value at `path`"""


class Stream(Struct, frozen=True):
    """One collection and the table it fills."""

    name: str
    table: str
    operation: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    full: Window | None = None
    """axis of a first read: a row does not move on it while we read"""
    live: Window | None = None
    """axis of the following reads"""
    version: str = ""
    """column that says which of two readings of a row is the newer one"""
    parents: str = ""
    """stream whose ids fill the operation's path parameter"""
    raw: bool = True
    sweep: bool = False
    """every read is a full one, and what it does not meet is removed"""


def iso(seconds: int) -> str:
    """Unix seconds as Klaviyo takes them in a filter."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _attributes(type: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type, ("attributes", name)) for name in names)


ID = Column("id", "VARCHAR", ("id",))
_LOCATION = ("address1", "address2", "city", "region", "country", "zip", "timezone", "ip")
_CONSENT = ("attributes", "subscriptions")

PROFILES = Stream(
    name="profiles",
    table="profiles",
    operation="get_profiles",
    key=("id",),
    query={"page[size]": "100", "additional-fields[profile]": "subscriptions"},
    full=Window("created", strict=True),
    live=Window("updated", strict=True),
    version="updated",
    columns=(
        ID,
        *_attributes("VARCHAR", "email", "phone_number", "external_id", "anonymous_id", "first_name", "last_name"),
        *_attributes("VARCHAR", "organization", "title", "locale", "image"),
        *(Column(name, "VARCHAR", ("attributes", "location", name)) for name in _LOCATION),
        *(Column(name, "DOUBLE", ("attributes", "location", name)) for name in ("latitude", "longitude")),
        *_attributes("TIMESTAMPTZ", "created", "updated", "last_event_date"),
        Column("email_consent", "VARCHAR", _CONSENT, "/email/marketing/consent"),
        Column("sms_consent", "VARCHAR", _CONSENT, "/sms/marketing/consent"),
        Column("can_receive_email", "BOOLEAN", _CONSENT, "/email/marketing/can_receive_email_marketing"),
        *_attributes("JSON", "properties", "subscriptions"),
    ),
)

_EVENT_PROPERTIES = ("attributes", "event_properties")
_BY_TIME = Window("datetime")

EVENTS = Stream(
    name="events",
    table="events",
    operation="get_events",
    key=("id",),
    query={"page[size]": "1000"},
    full=_BY_TIME,
    live=_BY_TIME,
    columns=(
        ID,
        Column("metric_id", "VARCHAR", ("relationships", "metric", "data", "id")),
        Column("profile_id", "VARCHAR", ("relationships", "profile", "data", "id")),
        *_attributes("TIMESTAMPTZ", "datetime"),
        Column("value", "DOUBLE", _EVENT_PROPERTIES, "/$value"),
        Column("value_currency", "VARCHAR", _EVENT_PROPERTIES, "/$value_currency"),
        Column("unique_id", "VARCHAR", _EVENT_PROPERTIES, "/$event_id"),
        Column("properties", "JSON", _EVENT_PROPERTIES),
        *_attributes("VARCHAR", "uuid"),
    ),
)

METRICS = Stream(
    name="metrics",
    table="metrics",
    operation="get_metrics",
    key=("id",),
    version="updated",
    columns=(
        ID,
        *_attributes("VARCHAR", "name"),
        *(
            Column(f"integration_{n}", "VARCHAR", ("attributes", "integration", n))
            for n in ("id", "key", "name", "category")
        ),
        *_attributes("TIMESTAMPTZ", "created", "updated"),
    ),
)

LISTS = Stream(
    name="lists",
    table="lists",
    operation="get_lists",
    key=("id",),
    query={"page[size]": "10", "sort": "id"},
    version="updated",
    columns=(
        ID,
        *_attributes("VARCHAR", "name", "opt_in_process"),
        *_attributes("TIMESTAMPTZ", "created", "updated"),
    ),
)

MEMBERS = Stream(
    name="members",
    table="list_members",
    operation="get_profiles_for_list",
    key=("list_id", "profile_id"),
    query={"page[size]": "100", "fields[profile]": "joined_group_at"},
    full=Window("joined_group_at"),
    version="joined_group_at",
    parents="lists",
    raw=False,
    sweep=True,
    columns=(
        Column("list_id", "VARCHAR", ()),
        Column("profile_id", "VARCHAR", ("id",)),
        *_attributes("TIMESTAMPTZ", "joined_group_at"),
    ),
)

STREAMS: Mapping[str, Stream] = {s.name: s for s in (PROFILES, EVENTS, METRICS, LISTS, MEMBERS)}
