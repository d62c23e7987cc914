"""Everyday verbs of coupons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clavichord.client.resource import Resource
from clavichord.client.verbs.arguments import aware, resource_id, seconds
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.uploads.report import OnResult, UploadReport


class CouponVerbs:
    @compound
    def upload_codes(
        self: Any,
        coupon: str | Resource,
        codes: Iterable[str | Mapping[str, Any]],
        *,
        expires_at: datetime | None = None,
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Adds any number of codes to a coupon; returns what became of each. A code is text, or a dict of `unique_code`
        and `expires_at`; without an expiry it is a year (FACTS §9.10).

        Adding codes twice is not harmless, so a request whose answer was lost is never repeated: its codes are
        `unknown` and the upload ends with UploadStopped. Jobs of 1,000 codes, 100 waiting at most (FACTS §7.6).
        """
        from clavichord.client.uploads.engine import Upload
        from clavichord.client.uploads.route import bulk
        from clavichord.client.uploads.rows import Entry, Refused, encoded, mapping, moment, text

        verb = "coupons.upload_codes"
        seconds(verb, "timeout", timeout)
        linked = {"coupon": {"data": {"type": "coupon", "id": resource_id(verb, "coupon", coupon)}}}
        until = None if expires_at is None else aware(verb, "expires_at", expires_at)

        def prepare(index: int, row: Any) -> Entry:
            given = {"unique_code": row} if isinstance(row, str) else dict(mapping(row))
            code = text(given, "unique_code").strip()
            if not code:
                raise Refused("unique_code cannot be empty", "unique_code")
            moment(given, "expires_at")
            attributes = {**given, "unique_code": code}
            if attributes.setdefault("expires_at", until) is None:
                del attributes["expires_at"]
            body = {"type": "coupon-code", "attributes": attributes, "relationships": linked}
            return Entry(index, row, encoded(body), "unique_code", code)

        route = bulk("bulk_create_coupon_codes", "coupon-codes", job="get_bulk_create_coupon_codes_job")
        made = Upload(self, verb, route, prepare, wait=wait, timeout=timeout, on_result=on_result)
        return (yield from made.work(codes))
