"""The life of a resource of each family, through each official SDK: written, read back, filtered, sorted, paged
through, refused when it is there already, changed, deleted, gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.conformance.every_operation import CUSTOM, PIXEL
from tests.conformance.official_sdk import Account, body, ref, refs

NAMES = ("Anna", "Berta", "Cleo")
_CONDITION = {
    "condition_groups": [
        {
            "conditions": [
                {
                    "type": "profile-property",
                    "property": "email",
                    "filter": {"type": "string", "operator": "equals", "value": "ann@shop.test"},
                }
            ]
        }
    ]
}
_STEP: dict[str, Any] = {"columns": [{"rows": []}]}
_ACTION = {"temporary_id": "a", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": None}}
_BLOCK = {"content_type": "block", "type": "html", "data": {"content": "x", "display_options": {}}}


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the resources of one type are made and found. A method that there is not is ""."""

    type: str
    many: str
    """`lists`, as in `get_lists`"""
    noun: str = ""
    """`list`, as in `create_list`; "" = the type's name"""
    create: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    named: str = "name"
    """the attribute that gets one of NAMES"""
    filter: str = ""
    """that finds one by its name"""
    sort: str = ""
    """that puts them in the order of their names"""
    paged: bool = True
    update: bool = True
    changed: str = ""
    """the attribute that is changed, "" = `named`"""
    delete: bool = True
    repeated: str = ""
    """the code of the 409 for a second one of the same name, "" = there may be two"""
    of: Callable[[Account], Mapping[str, Any]] | None = None
    """makes what they belong to, gives their relationships"""

    @property
    def operation(self) -> str:
        return self.noun or self.type.replace("-", "_")


def _item(account: Account) -> Mapping[str, Any]:
    about = {"title": "A", "description": "d", "url": "https://shop.test"}
    made = account.create_catalog_item(body("catalog-item", external_id="item", **about))
    return {"item": ref("catalog-item", made["data"]["id"])}


def _coupon(account: Account) -> Mapping[str, Any]:
    account.create_coupon(body("coupon", external_id="SALE"))
    return {"coupon": ref("coupon", "SALE")}


def _topics(account: Account) -> Mapping[str, Any]:
    return {"webhook-topics": refs("webhook-topic", account.get_webhook_topics()["data"][0]["id"])}


_BY_NAME = 'equals(name,"{}")'
_GOODS = {"description": "d", "url": "https://shop.test"}
FAMILIES = [
    Family(type="list", many="lists", filter=_BY_NAME, sort="name"),
    Family(type="segment", many="segments", filter=_BY_NAME, sort="name", attributes={"definition": _CONDITION}),
    Family(type="tag", many="tags", filter='starts-with(name,"{}")', sort="name"),
    Family(type="tag-group", many="tag_groups", filter=_BY_NAME, sort="name"),
    Family(
        type="template",
        many="templates",
        filter='contains(name,"{}")',
        sort="name",
        attributes={"editor_type": "CODE", "html": "<p>Hello</p>"},
    ),
    Family(
        type="template-universal-content",
        many="all_universal_content",
        noun="universal_content",
        filter=_BY_NAME,
        sort="name",
        attributes={"definition": _BLOCK},
    ),
    Family(
        type="image",
        many="images",
        create="upload_image_from_url",
        filter=_BY_NAME,
        sort="name",
        attributes={"import_from_url": PIXEL},
        delete=False,
    ),
    Family(
        type="form",
        many="forms",
        filter=_BY_NAME,
        sort="created_at",
        attributes={
            "definition": {"versions": [{"steps": [_STEP, _STEP], "type": "popup", "name": "V"}]},
            "status": "draft",
            "ab_test": False,
        },
        update=False,
    ),
    Family(
        type="web-feed",
        many="web_feeds",
        filter=_BY_NAME,
        sort="name",
        attributes={"url": "https://shop.test/feed", "request_method": "get", "content_type": "json"},
    ),
    Family(
        type="webhook",
        many="webhooks",
        paged=False,
        attributes={"endpoint_url": "https://shop.test/hook", "secret_key": "s" * 16},
        of=_topics,
    ),
    Family(type="coupon", many="coupons", named="external_id", changed="description", repeated="conflict"),
    Family(
        type="coupon-code",
        many="coupon_codes",
        named="unique_code",
        changed="status",
        repeated="conflict",
        of=_coupon,
    ),
    Family(
        type="catalog-category",
        many="catalog_categories",
        named="external_id",
        changed="name",
        attributes={"name": "C"},
        filter=f'any(ids,["{CUSTOM}{{}}"])',
        sort="created",
        repeated="conflict",
    ),
    Family(
        type="catalog-item",
        many="catalog_items",
        named="external_id",
        changed="title",
        attributes={"title": "T"} | _GOODS,
        filter=f'any(ids,["{CUSTOM}{{}}"])',
        sort="created",
        repeated="conflict",
    ),
    Family(
        type="catalog-variant",
        many="catalog_variants",
        named="external_id",
        changed="title",
        attributes={"title": "T", "sku": "s", "inventory_quantity": 1, "price": 2} | _GOODS,
        filter=f'any(ids,["{CUSTOM}{{}}"])',
        sort="created",
        repeated="conflict",
        of=_item,
    ),
    Family(type="data-source", many="data_sources", named="title", update=False, repeated="conflict"),
    Family(type="object-type", many="object_types", named="title", paged=False, update=False),
    Family(
        type="flow",
        many="flows",
        filter=_BY_NAME,
        sort="name",
        changed="status",
        attributes={"definition": {"triggers": [], "actions": [_ACTION], "entry_action_id": "a"}},
    ),
    Family(
        type="profile",
        many="profiles",
        named="external_id",
        changed="first_name",
        filter='equals(external_id,"{}")',
        sort="created",
        delete=False,
        repeated="duplicate_profile",
    ),
]
_STATUS = {"coupon-code": "USED", "flow": "live"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.type)
def test_life_of_a_resource(account: Account, family: Family) -> None:
    relations = family.of(account) if family.of else None
    bodies = [
        body(
            family.type,
            **family.attributes,
            **{family.named: name},
            **({"relationships": relations} if relations else {}),
        )
        for name in NAMES
    ]
    create = family.create or f"create_{family.operation}"
    get, many = f"get_{family.operation}", f"get_{family.many}"
    ids = [account.call(create, one).value["data"]["id"] for one in bodies]
    options = {"filter": 'equals(coupon.id,"SALE")'} if family.type == "coupon-code" else {}

    def read(number: int) -> Any:
        return account.call(get, ids[number]).value["data"]

    assert [read(number)["attributes"][family.named] for number in range(3)] == list(NAMES)
    listed = [row["id"] for row in account.call(many, **options).value["data"]]
    assert set(ids) <= set(listed)

    if family.filter:
        for number, name in enumerate(NAMES):
            found = account.call(many, filter=family.filter.format(name)).value["data"]
            assert [row["id"] for row in found] == [ids[number]]
    if family.sort:
        up = [row["id"] for row in account.call(many, sort=family.sort).value["data"]]
        down = [row["id"] for row in account.call(many, sort="-" + family.sort).value["data"]]
        assert [one for one in up if one in ids] == ids
        assert down == up[::-1]
    if family.paged:
        pages = list(account.pages(many, page_size=1, **options))
        assert [len(page) for page in pages] == [1] * len(listed)
        assert [page[0]["id"] for page in pages] == listed

    if family.repeated:
        refused = account.refused(create, bodies[0])
        assert (refused.status, refused.code) == (409, family.repeated)
    if family.update:
        changed = family.changed or family.named
        value = _STATUS.get(family.type, "Dora") if changed == "status" else "Dora"
        account.call(f"update_{family.operation}", ids[1], body(family.type, ids[1], **{changed: value}))
        assert read(1)["attributes"][changed] == value
    if family.delete:
        account.call(f"delete_{family.operation}", ids[0])
        for operation in (get, f"delete_{family.operation}"):
            refused = account.refused(operation, ids[0])
            assert (refused.status, refused.code) == (404, "not_found")
        left = [row["id"] for row in account.call(many, **options).value["data"]]
        assert left == [one for one in listed if one != ids[0]]
    assert account.refused(get, "NOPE01").status == 404
