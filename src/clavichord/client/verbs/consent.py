"""Everyday verbs of consent. A row is a person: an address, a phone number (+…), a Profile, or a dict of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from clavichord.client.errors import ConfigurationError
from clavichord.client.models import Profile
from clavichord.client.resource import Resource
from clavichord.client.verbs.arguments import resource_id, seconds, text
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.uploads.consent import Channel
    from clavichord.client.uploads.report import OnResult, UploadReport

Person: TypeAlias = str | Mapping[str, Any] | Profile


def listed(people: Any) -> tuple[Any, bool]:
    """People as an iterable, and whether it was a single one."""
    single = isinstance(people, (str, Mapping, Profile))
    return ([people] if single else people), single


def subscribe(
    face: Any,
    verb: str,
    people: Any,
    *,
    list: Any,
    channel: str | Sequence[str],
    source: str,
    consented_at: datetime | str | None,
    historical: bool,
    resubscribe: bool,
    on_result: OnResult | None,
) -> Work[UploadReport]:
    from clavichord.client.uploads import consent
    from clavichord.client.uploads.engine import Upload
    from clavichord.client.uploads.route import bulk

    wanted = consent.channels(verb, channel)
    text(verb, "source", source)
    if isinstance(consented_at, datetime) and consented_at.tzinfo is None:
        raise ConfigurationError(f"{verb}: consented_at has no time zone ({consented_at.isoformat()}): give it one")
    if consented_at is not None and not historical:
        raise ConfigurationError(
            f"{verb}: consented_at goes with historical=True (past consents, no confirmation is sent); without it "
            "Klaviyo records now as the time of the consent"
        )
    list_id = "" if list is None else resource_id(verb, "list", list)
    route = bulk(
        "bulk_subscribe_profiles",
        "profiles",
        attributes={"custom_source": source} | ({"historical_import": True} if historical else {}),
        relationships={"list": {"data": {"type": "list", "id": list_id}}} if list_id else None,
    )
    prepare = consent.prepare(wanted, "SUBSCRIBED", historical=historical, at=consented_at)
    screen = consent.subscribing(face, route, wanted, list_id, resubscribe=resubscribe)
    rows, single = listed(people)
    report = yield from Upload(face, verb, route, prepare, screen=screen, on_result=on_result).work(rows)
    if single:
        report.raise_for_problems()
    return report


def unsubscribe(
    face: Any,
    verb: str,
    people: Any,
    *,
    list: Any,
    channel: str | Sequence[str],
    everywhere: bool,
    on_result: OnResult | None,
) -> Work[UploadReport]:
    from clavichord.client.uploads import consent
    from clavichord.client.uploads.engine import Upload
    from clavichord.client.uploads.route import bulk

    wanted = consent.channels(verb, channel)
    list_id = "" if list is None else resource_id(verb, "list", list)
    route = bulk(
        "bulk_unsubscribe_profiles",
        "profiles",
        relationships={"list": {"data": {"type": "list", "id": list_id}}} if list_id else None,
    )
    prepare = consent.prepare(wanted, "UNSUBSCRIBED")
    screen = consent.unsubscribing(face, route, list_id) if list_id and not everywhere else None
    rows, single = listed(people)
    report = yield from Upload(face, verb, route, prepare, screen=screen, on_result=on_result).work(rows)
    if single:
        report.raise_for_problems()
    return report


def suppression(
    face: Any, verb: str, operation: str, people: Any, wait: bool, timeout: float, on_result: OnResult | None
) -> Work[UploadReport]:
    from clavichord.client.uploads.engine import Upload
    from clavichord.client.uploads.people import individual
    from clavichord.client.uploads.route import bulk
    from clavichord.client.uploads.rows import Entry, encoded, identify

    def prepare(index: int, row: Any) -> Entry:
        kind, email = identify(individual(row), ("email",))
        return Entry(index, row, encoded({"type": "profile", "attributes": {"email": email}}), kind, email)

    seconds(verb, "timeout", timeout)
    route = bulk(operation, "profiles", job=f"get_{operation}_job")
    rows, single = listed(people)
    upload = Upload(face, verb, route, prepare, wait=wait, timeout=timeout, on_result=on_result)
    report = yield from upload.work(rows)
    if single:
        report.raise_for_problems()
    return report


class ConsentVerbs:
    """Part of `profiles`. A single person who cannot be served raises RowsRefused; of several the report tells."""

    @compound
    def subscribe(
        self: Any,
        people: Person | Iterable[Person],
        *,
        channel: Channel | Sequence[Channel],
        source: str,
        list: str | Resource | None = None,
        consented_at: datetime | str | None = None,
        historical: bool = False,
        resubscribe: bool = False,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Records that people said yes: on which `channel`, from which `source`, and when.

        The time is now, and Klaviyo asks for a confirmation where the list, or the account, has double opt-in. Consents
        of the past are `historical=True` with `consented_at` (here, or in each row): nobody is asked again. Whoever
        has opted out, complained or was suppressed is `held` unless `resubscribe`, because subscribing lifts that
        (FACTS §7.2); so are addresses that mail cannot reach. Klaviyo works on its own time and tells no outcome: rows
        end as `accepted`.
        """
        return subscribe(
            self,
            "profiles.subscribe",
            people,
            list=list,
            channel=channel,
            source=source,
            consented_at=consented_at,
            historical=historical,
            resubscribe=resubscribe,
            on_result=on_result,
        )

    @compound
    def unsubscribe(
        self: Any,
        people: Person | Iterable[Person],
        *,
        channel: Channel | Sequence[Channel],
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Records that people said no: to everything on the `channel`. `lists.unsubscribe` is for one list only."""
        return unsubscribe(
            self, "profiles.unsubscribe", people, list=None, channel=channel, everywhere=True, on_result=on_result
        )

    @compound
    def suppress(
        self: Any,
        people: Person | Iterable[Person],
        *,
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Stops all e-mail to addresses, without touching their consent; unknown ones become profiles (FACTS §7.4).

        A whole list or segment: `bulk_suppress_profiles(list=…)`.
        """
        return suppression(self, "profiles.suppress", "bulk_suppress_profiles", people, wait, timeout, on_result)

    @compound
    def unsuppress(
        self: Any,
        people: Person | Iterable[Person],
        *,
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Takes back `suppress`, and nothing else: opt-outs, complaints and bounces stay (FACTS §7.4)."""
        return suppression(self, "profiles.unsuppress", "bulk_unsuppress_profiles", people, wait, timeout, on_result)
