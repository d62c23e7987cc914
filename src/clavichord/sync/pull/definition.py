"""The pull file (`pulls/*.yaml`) as types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from clavichord.sync.definition import Block, Duration, Name, Place
from clavichord.sync.documents import load
from clavichord.sync.pull.streams import STREAMS

HowOften = Literal["always", "hourly", "daily", "weekly"]
HOW_OFTEN: dict[HowOften, int] = {"always": 0, "hourly": 3600, "daily": 86_400, "weekly": 7 * 86_400}
"""seconds that must have passed since a repair window was last read"""


def _utc(moment: datetime) -> datetime:
    if moment.year < 1990:
        raise PydanticCustomError("since", "Klaviyo holds nothing from before 1990 (FACTS §8.1)")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Since = Annotated[datetime, AfterValidator(_utc)]
"""A day or an instant; without an offset it is UTC."""


class Into(Block):
    """The destination: a DuckDB file, made if there is none."""

    duckdb: str
    db_schema: Name = Field(default="klaviyo", alias="schema")


class Profiles(Block):
    since: Since | None = None
    """only profiles that changed since then"""


class Events(Block):
    since: Since | None = None
    """only events from then on"""
    lookback: dict[Duration, HowOften] = Field(
        default={timedelta(hours=3): "always", timedelta(days=7): "daily", timedelta(days=30): "weekly"}
    )
    """how far back is read again, and how often: finds late events and attributions that came later"""


class Metrics(Block):
    pass


class Lists(Block):
    pass


class Members(Block):
    of: list[Literal["lists"]] = Field(default=["lists"], min_length=1)


class Snapshot(Block):
    """Read whole every time; rows that are gone stay, with the time in `_removed`."""


class Streams(Block):
    """What is pulled. `events:` with nothing behind it means its defaults."""

    profiles: Profiles | None = None
    events: Events | None = None
    metrics: Metrics | None = None
    lists: Lists | None = None
    members: Members | None = None
    """who is on which list; reads the lists too"""
    predictive_analytics: Snapshot | None = None
    """Klaviyo's predictions for each profile: all of them every time, at 150 pages a minute"""
    segments: Snapshot | None = None
    segment_members: Snapshot | None = None
    """who is in which segment; reads the segments too"""
    campaigns: Snapshot | None = None
    """of every channel, archived ones too"""
    campaign_messages: Snapshot | None = None
    """reads the campaigns too"""
    flows: Snapshot | None = None
    flow_actions: Snapshot | None = None
    """reads the flows too"""
    flow_messages: Snapshot | None = None
    """reads the flows and their actions too"""
    templates: Snapshot | None = None
    universal_content: Snapshot | None = None
    tag_groups: Snapshot | None = None
    tags: Snapshot | None = None
    forms: Snapshot | None = None
    coupons: Snapshot | None = None
    coupon_codes: Snapshot | None = None
    """reads the coupons too"""
    catalog_items: Snapshot | None = None
    catalog_variants: Snapshot | None = None
    catalog_categories: Snapshot | None = None
    images: Snapshot | None = None
    """hidden ones too"""
    reviews: Snapshot | None = None
    push_tokens: Snapshot | None = None
    web_feeds: Snapshot | None = None
    webhooks: Snapshot | None = None
    accounts: Snapshot | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: {} if options is None else options for name, options in given.items()}
        return given

    @model_validator(mode="after")
    def _some(self) -> Streams:
        if not self.chosen:
            raise PydanticCustomError("streams", "no stream is chosen: profiles, events, lists, campaigns, …")
        return self

    @property
    def chosen(self) -> dict[str, Block]:
        """Stream → its options; a stream brings those along whose ids it needs."""
        found = {name: getattr(self, name) for name in STREAMS if getattr(self, name) is not None}
        for name in list(found):
            while name := STREAMS[name].parents:
                found.setdefault(name, Snapshot())
        return {name: found[name] for name in STREAMS if name in found}


class PullDefinition(Block):
    """A pull file."""

    pull: Name
    title: str | None = None
    account: Name = "main"
    into: Annotated[Into, BeforeValidator(lambda v: {"duckdb": v} if isinstance(v, str) else v)]
    streams: Streams
    _place: Place = PrivateAttr(default=Place())

    @property
    def place(self) -> Place:
        return self._place


def load_pull(text: str, name: str) -> PullDefinition:
    """The pull file `name`. InvalidDefinition lists everything that is wrong."""
    return load(text, name, PullDefinition)
