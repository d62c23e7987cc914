"""The streams as data: which operation, which window, which key, which columns. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sync.pull.snapshots import SNAPSHOTS
from clavichord.sync.pull.stream import ID, Column, Stream, Window, attributes

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
        *attributes("VARCHAR", "email", "phone_number", "external_id", "anonymous_id", "first_name", "last_name"),
        *attributes("VARCHAR", "organization", "title", "locale", "image"),
        *(Column(name, "VARCHAR", ("attributes", "location", name)) for name in _LOCATION),
        *(Column(name, "DOUBLE", ("attributes", "location", name)) for name in ("latitude", "longitude")),
        *attributes("TIMESTAMPTZ", "created", "updated", "last_event_date"),
        Column("email_consent", "VARCHAR", _CONSENT, "/email/marketing/consent"),
        Column("sms_consent", "VARCHAR", _CONSENT, "/sms/marketing/consent"),
        Column("can_receive_email", "BOOLEAN", _CONSENT, "/email/marketing/can_receive_email_marketing"),
        *attributes("JSON", "properties", "subscriptions"),
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
        *attributes("TIMESTAMPTZ", "datetime"),
        Column("value", "DOUBLE", _EVENT_PROPERTIES, "/$value"),
        Column("value_currency", "VARCHAR", _EVENT_PROPERTIES, "/$value_currency"),
        Column("unique_id", "VARCHAR", _EVENT_PROPERTIES, "/$event_id"),
        Column("properties", "JSON", _EVENT_PROPERTIES),
        *attributes("VARCHAR", "uuid"),
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
        *attributes("VARCHAR", "name"),
        *(
            Column(f"integration_{n}", "VARCHAR", ("attributes", "integration", n))
            for n in ("id", "key", "name", "category")
        ),
        *attributes("TIMESTAMPTZ", "created", "updated"),
    ),
)

LISTS = Stream(
    name="lists",
    table="lists",
    operation="get_lists",
    key=("id",),
    query={"page[size]": "10", "sort": "id"},
    sweep=True,
    marks=True,
    columns=(
        ID,
        *attributes("VARCHAR", "name", "opt_in_process"),
        *attributes("TIMESTAMPTZ", "created", "updated"),
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
        *attributes("TIMESTAMPTZ", "joined_group_at"),
    ),
)

PREDICTIONS = Stream(
    name="predictive_analytics",
    table="profile_predictions",
    operation="get_profiles",
    key=("id",),
    query={
        "page[size]": "100",
        "additional-fields[profile]": "predictive_analytics",
        "fields[profile]": "created,predictive_analytics",
    },
    full=Window("created", strict=True),
    sweep=True,
    marks=True,
    columns=(
        ID,
        *(
            Column(name, type, ("attributes", "predictive_analytics", name))
            for name, type in (
                ("historic_clv", "DOUBLE"),
                ("predicted_clv", "DOUBLE"),
                ("total_clv", "DOUBLE"),
                ("historic_number_of_orders", "DOUBLE"),
                ("predicted_number_of_orders", "DOUBLE"),
                ("average_days_between_orders", "DOUBLE"),
                ("average_order_value", "DOUBLE"),
                ("churn_probability", "DOUBLE"),
                ("expected_date_of_next_order", "VARCHAR"),
            )
        ),
    ),
)

STREAMS: Mapping[str, Stream] = {
    s.name: s for s in (PROFILES, EVENTS, METRICS, LISTS, MEMBERS, PREDICTIONS, *SNAPSHOTS)
}
