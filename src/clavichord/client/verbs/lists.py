"""Everyday verbs of lists. People are told by address, phone number or id; being on a list is not a consent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clavichord.client.resource import Resource
from clavichord.client.verbs.arguments import resource_id
from clavichord.client.verbs.consent import Person, listed, subscribe, unsubscribe
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.uploads.consent import Channel
    from clavichord.client.uploads.engine import Chunk
    from clavichord.client.uploads.report import OnResult, Status, UploadReport
    from clavichord.client.uploads.rows import Entry, Refused


def membership(
    face: Any, verb: str, operation: str, target: Any, people: Any, on_result: OnResult | None
) -> Work[UploadReport]:
    """Looks the people up in batches, and sends the ids of those who are known."""
    from clavichord.client.uploads.engine import Chunk, Upload
    from clavichord.client.uploads.people import folded, known, member, person
    from clavichord.client.uploads.route import linkage
    from clavichord.client.uploads.rows import Refused

    route = linkage(operation, resource_id(verb, "list", target))

    def screen(entries: list[Entry], drop: Callable[[Entry, Status, Refused], None]) -> Work[list[Chunk]]:
        unknown = ((entry.kind, entry.name) for entry in entries if entry.kind != "id")
        found = yield from known(face, unknown, **{"fields[profile]": "email,phone_number"})
        kept = []
        for entry in entries:
            profile = found.get(folded(entry.kind, entry.name))
            if entry.kind == "id":
                kept.append(member(entry, entry.name))
            elif profile is not None:
                kept.append(member(entry, profile["id"]))
            else:
                why = f"no profile has {entry.kind} {entry.name!r}; profiles.upload(rows, lists=[…]) makes and adds it"
                drop(entry, "rejected", Refused(why, entry.kind, "not_found"))
        return [Chunk(route, kept)] if kept else []

    rows, single = listed(people)
    report = yield from Upload(face, verb, route, person, screen=screen, on_result=on_result).work(rows)
    if single:
        report.raise_for_problems()
    return report


class ListVerbs:
    @compound
    def add(
        self: Any, list: str | Resource, people: Person | Iterable[Person], *, on_result: OnResult | None = None
    ) -> Work[UploadReport]:
        """Adds people to a list; whoever is on it already stays on it. Consent is not touched (FACTS §9.3).

        Ids are looked up in batches; people whom Klaviyo does not know are `rejected`. A single one raises RowsRefused.
        """
        return membership(self, "lists.add", "add_profiles_to_list", list, people, on_result)

    @compound
    def remove(
        self: Any, list: str | Resource, people: Person | Iterable[Person], *, on_result: OnResult | None = None
    ) -> Work[UploadReport]:
        """Takes people off a list. Consent is not touched: `unsubscribe` is what stops the mail (FACTS §9.3)."""
        return membership(self, "lists.remove", "remove_profiles_from_list", list, people, on_result)

    @compound
    def subscribe(
        self: Any,
        list: str | Resource,
        people: Person | Iterable[Person],
        *,
        channel: Channel | Sequence[Channel],
        source: str,
        consented_at: datetime | str | None = None,
        historical: bool = False,
        resubscribe: bool = False,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """`profiles.subscribe`, and adds the people to the list."""
        return subscribe(
            self,
            "lists.subscribe",
            people,
            list=resource_id("lists.subscribe", "list", list),
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
        list: str | Resource,
        people: Person | Iterable[Person],
        *,
        channel: Channel | Sequence[Channel],
        everywhere: bool = False,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Takes people off the list and keeps its mail from them.

        Klaviyo unsubscribes whoever is not on the list from everything (FACTS §7.3); they are `held` unless
        `everywhere`. Membership is read just before.
        """
        return unsubscribe(
            self,
            "lists.unsubscribe",
            people,
            list=resource_id("lists.unsubscribe", "list", list),
            channel=channel,
            everywhere=everywhere,
            on_result=on_result,
        )
