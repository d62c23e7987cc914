"""Everyday verbs of the catalog: a shop's products as Klaviyo has them. Only the custom catalog can be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from clavichord.client.models import CatalogCategory, CatalogItem, CatalogVariant
from clavichord.client.verbs.arguments import one_of, seconds
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.uploads.catalog import Mode
    from clavichord.client.uploads.report import OnResult, UploadReport


def upload(
    face: Any, plural: str, rows: Any, mode: str, wait: bool, timeout: float, on_result: OnResult | None
) -> Work[UploadReport]:
    from clavichord.client.uploads import catalog
    from clavichord.client.uploads.engine import Upload

    verb = f"catalogs.upload_{plural}"
    one_of(verb, "mode", mode, catalog.MODES)
    seconds(verb, "timeout", timeout)
    kind = catalog.KINDS[plural]
    first = "create" if mode == "upsert" else mode
    made = Upload(
        face,
        verb,
        catalog.route(kind, first),
        catalog.prepare(kind, first),
        screen=catalog.upserting(face, kind) if mode == "upsert" else None,
        wait=wait,
        timeout=timeout,
        on_result=on_result,
    )
    return (yield from made.work(rows))


class CatalogVerbs:
    @compound
    def upload_items(
        self: Any,
        rows: Iterable[Mapping[str, Any] | CatalogItem | str],
        *,
        mode: Mode = "upsert",
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Makes, changes or deletes any number of items; returns what became of every row.

        A row is a dict: `external_id` (or `id`), `title`, `description`, `url`, `price`, `image_full_url`, …, and
        `categories` as ids or external ids; for `mode="delete"` an id is enough. "upsert" asks which are there already
        (one request per 100). Jobs of 100 rows, 500 at work at most (FACTS §7.6). `wait`, `timeout`, `on_result` as in
        `profiles.upload`.
        """
        return upload(self, "items", rows, mode, wait, timeout, on_result)

    @compound
    def upload_variants(
        self: Any,
        rows: Iterable[Mapping[str, Any] | CatalogVariant | str],
        *,
        mode: Mode = "upsert",
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Makes, changes or deletes any number of variants, as `upload_items`.

        A row has `external_id`, `item` (id or external id; for new ones), `sku`, `title`, `description`, `url`,
        `price`, `inventory_quantity`, …
        """
        return upload(self, "variants", rows, mode, wait, timeout, on_result)

    @compound
    def upload_categories(
        self: Any,
        rows: Iterable[Mapping[str, Any] | CatalogCategory | str],
        *,
        mode: Mode = "upsert",
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Makes, changes or deletes any number of categories, as `upload_items`: `external_id`, `name`, `items`."""
        return upload(self, "categories", rows, mode, wait, timeout, on_result)
