"""An account in which things are made when a request needs them, for the tests that hold answers to recordings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import quote

from tests.sandbox import catalog_api, messages_api
from tests.sandbox.catalog_api import PREFIX, bulk, category, code, coupon, item, make, variant
from tests.sandbox.messages_api import delay_action, email_action, new_campaign, write
from tests.sandbox.sandbox_api import Api, Reply
from tests.sandbox.test_live_shapes_messages import EMAIL, STATIC, UTM

PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
AMP = "<!doctype html><html amp4email><head></head><body>Hello {{ first_name }}</body></html>"
TOPIC = "event:klaviyo.opened_email"


def form_version(list_id: str) -> dict[str, Any]:
    """The request behind the recorded form."""
    text = {"type": "html_text", "properties": {"content": "<p>Join</p>"}}
    mail: dict[str, Any] = {"label": "Email", "property_name": "$email", "required": True, "show_label": True}
    email = {"type": "email", "properties": {**mail, "placeholder": "you@shop.test"}}
    action: dict[str, Any] = {"type": "next_step", "submit": True, "properties": {"list_id": list_id}}
    styles = {"background_color": "#000000", "width": "fill", "alignment": "center"}
    submit = {"type": "button", "properties": {"label": "Go"}, "styles": styles, "action": action}
    close = {"type": "button", "properties": {"label": "Close"}, "action": {"type": "close", "submit": False}}
    edges = ("top", "bottom", "left", "right")

    def step(name: str, *blocks: Any) -> dict[str, Any]:
        return {"name": name, "columns": [{"rows": [{"blocks": blocks}]}]}

    return {
        "steps": [step("Signup", text, email, submit), step("Success", text, close)],
        "name": "V1",
        "styles": {
            "width": "medium",
            "background_color": "#ffffff",
            "overlay_color": "rgba(0,0,0,0.4)",
            "minimum_height": 200,
            "margin": dict.fromkeys(edges, 0),
            "padding": dict.fromkeys(edges, 20),
        },
        "properties": {
            "show_close_button": True,
            "record_utm_params_on_submit": True,
            "rule_based_trigger_evaluation": "all",
            "accessible_name": "Signup",
        },
        "type": "flyout",
        "location": "bottom_right",
        "status": "draft",
        "ab_test": False,
        "specialties": [],
        "channel": "WEB",
        "message_priority": 1,
    }


class World:
    """An account in which things are made when a request needs them."""

    def __init__(self, api: Api, slow: Api) -> None:
        self.api, self.slow = api, slow

    def made(self, path: str, kind: str, attributes: Any, *, query: Any = "", **linked: Any) -> Reply:
        data: dict[str, Any] = {"type": kind, "attributes": attributes}
        if linked:
            data["relationships"] = {name.replace("_", "-"): {"data": one} for name, one in linked.items()}
        return self.api("POST", path, {"data": data}, query=query)

    def changed(self, path: str, kind: str, one: str, attributes: Any, query: Any = "", **more: Any) -> Reply:
        return self.api(
            "PATCH", path, {"data": {"type": kind, "id": one, "attributes": attributes, **more}}, query=query
        )

    @cached_property
    def account(self) -> str:
        return self.api.get("/api/accounts").ids[0]

    @cached_property
    def list_id(self) -> str:
        return self.api.list("Members", opt_in_process="single_opt_in")

    @cached_property
    def profile(self) -> str:
        location: dict[str, Any] = {"address1": "a", "city": "c", "country": "c", "latitude": 55.66, "longitude": 12.57}
        location |= {"region": "r", "zip": "z", "timezone": "Europe/Paris"}
        given: dict[str, Any] = {"email": "ann@shop.test", "first_name": "Ann", "properties": {"tags": ["x"]}}
        return self.api.profile(**given, location=location)

    @cached_property
    def metric(self) -> str:
        properties = {"sku": "D4", "bulk": True}
        given: dict[str, Any] = {"value": 3, "value_currency": "EUR", "unique_id": "u1"}
        self.api.event("Viewed", email="bob@shop.test", properties=properties, **given)
        return self.api.get("/api/metrics").ids[0]

    @cached_property
    def event(self) -> str:
        assert self.metric
        return self.api.get("/api/events").ids[0]

    @cached_property
    def property(self) -> str:
        return self.api.get(f"/api/metrics/{self.metric}/metric-properties").ids[0]

    @cached_property
    def segment(self) -> str:
        assert self.profile
        return messages_api.segment(self.api, "Ann")

    @cached_property
    def group(self) -> str:
        return str(self.made("/api/tag-groups", "tag-group", {"name": "Season"}).data["id"])

    @cached_property
    def tag(self) -> str:
        linked = {"type": "tag-group", "id": self.group}
        return str(self.made("/api/tags", "tag", {"name": "Summer"}, tag_group=linked).data["id"])

    @cached_property
    def template(self) -> str:
        return messages_api.template(self.api, "<h1>Hi {{ first_name }}</h1>", name="<str>", amp=AMP)

    @cached_property
    def campaign(self) -> dict[str, Any]:
        tracking = {"add_tracking_params": True, "custom_tracking_params": UTM}
        audiences = {"included": [self.list_id], "excluded": []}
        given: dict[str, Any] = {"send_strategy": STATIC, "tracking_options": tracking, "audiences": audiences}
        reply = new_campaign(self.api, definition=EMAIL, **given)
        assert reply.status == 201, reply.body
        found: dict[str, Any] = reply.data
        return found

    @cached_property
    def message(self) -> str:
        return str(self.campaign["relationships"]["campaign-messages"]["data"][0]["id"])

    @cached_property
    def flow(self) -> dict[str, Any]:
        actions = (delay_action("wait", "mail"), email_action("mail", self.template))
        actions[0]["data"]["secondary_value"] = 0
        return messages_api.flow(self.api, *actions, trigger={"type": "list", "id": self.list_id})

    @cached_property
    def mail_flow(self) -> str:
        """A flow of one e-mail, named by it."""
        definition = {"triggers": [], "profile_filter": None, "actions": [email_action("mail", self.template)]}
        given: dict[str, Any] = {"name": "mail", "definition": definition | {"entry_action_id": "mail"}}
        return str(write(self.api, "POST", "/api/flows", "flow", **given).data["id"])

    @cached_property
    def actions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.flow["attributes"]["definition"]["actions"]
        return found

    @cached_property
    def catalog(self) -> str:
        images = {"images": ["i"]}
        make(self.api, category("c"))
        more = {"image_full_url": "f", "image_thumbnail_url": "t", **images}
        make(self.api, item("i", "c", price=1.5, custom_metadata={"a": 1}, **more))
        make(self.api, variant("v", "i", price=2.5, custom_metadata={"a": 1}, inventory_policy=1, **images))
        return "i"

    @cached_property
    def coupon(self) -> str:
        configured = {"monitor_configuration": {"low_balance_threshold": 250}}
        make(self.api, coupon("SALE", description="d", **configured), code("X1", "SALE"), code("X2", "SALE"))
        return "SALE"

    @cached_property
    def source(self) -> str:
        return str(catalog_api.data_source(self.api, "One").data["id"])

    @cached_property
    def form(self) -> str:
        given = {"name": "F", "status": "draft", "ab_test": False}
        versions = [{**form_version(self.list_id), "type": "popup"}]
        del versions[0]["location"]
        return str(self.made("/api/forms", "form", {**given, "definition": {"versions": versions}}).data["id"])

    @cached_property
    def version(self) -> str:
        return self.api.get(f"/api/forms/{self.form}/form-versions").ids[0]

    @cached_property
    def image(self) -> str:
        given = {"import_from_url": PICTURE, "name": "dot", "hidden": True}
        return str(self.made("/api/images", "image", given).data["id"])

    @cached_property
    def custom_metric(self) -> str:
        return str(self.new_custom_metric("").data["id"])

    @cached_property
    def content(self) -> str:
        block = {"content_type": "block", "type": "html", "data": {"content": "x", "display_options": {}}}
        reply = self.made(
            "/api/template-universal-content", "template-universal-content", {"name": "<str>", "definition": block}
        )
        return str(reply.data["id"])

    @cached_property
    def feed(self) -> str:
        return str(self.new_feed("one").data["id"])

    @cached_property
    def webhook(self) -> str:
        return str(self.new_webhook("").data["id"])

    def new_custom_metric(self, query: Any) -> Reply:
        filters = [{"property": "sku", "filter": {"type": "string", "operator": "starts-with", "value": "A"}}]
        groups = [{"metric_id": self.metric, "metric_filters": filters, "value_property": "$value"}]
        definition = {"aggregation_method": "value", "metric_groups": groups}
        return self.made("/api/custom-metrics", "custom-metric", {"name": "C", "definition": definition}, query=query)

    def new_feed(self, name: str) -> Reply:
        given = {"name": name, "url": "https://shop.test/f", "request_method": "get", "content_type": "json"}
        return self.made("/api/web-feeds", "web-feed", given)

    def new_webhook(self, query: Any) -> Reply:
        given = {"name": "W", "endpoint_url": "https://hook.test/x", "secret_key": "s" * 16, "description": "d"}
        topics = [{"type": "webhook-topic", "id": TOPIC}]
        return self.made("/api/webhooks", "webhook", given, query=query, webhook_topics=topics)

    def new_catalog_job(self, kind: str, verb: str) -> Reply:
        """`kind`: item, variant or category"""
        assert self.catalog
        new = {"item": item("n"), "variant": variant("v2", "i"), "category": category("n")}[kind]
        old: dict[str, Any] = {"type": f"catalog-{kind}", "id": PREFIX + {"item": "i", "variant": "v"}.get(kind, "c")}
        if verb == "update":
            old["attributes"] = {"category": {"name": "N"}}.get(kind, {"title": "N"})
        reply = bulk(self.api, kind, verb, new if verb == "create" else old)
        assert reply.status == 202, reply.body
        return reply

    def catalog_job(self, kind: str, verb: str) -> str:
        return str(self.new_catalog_job(kind, verb).data["id"])

    def filled(self, record: dict[str, Any], text: str = "<str>") -> dict[str, str]:
        """A record's query with ids for its placeholders; what they name is made first."""
        values: dict[str, Callable[[], str]] = {
            "<id6>": lambda: self.list_id,
            "<ulid>": lambda: self.profile,
            "<int-str>": lambda: self.image,
            "<str>": lambda: text,
        }
        query = dict(record["query"])
        for name, value in query.items():
            for mark, value_of in values.items():
                if mark in value:
                    query[name] = query[name].replace(mark, value_of())
        return query

    def ids(self) -> dict[str, Callable[[], str]]:
        return {
            "accounts": lambda: self.account,
            "campaigns": lambda: str(self.campaign["id"]),
            "campaign-messages": lambda: self.message,
            "catalog-items": lambda: quote(PREFIX + self.catalog, safe=""),
            "catalog-variants": lambda: quote(PREFIX + (self.catalog and "v"), safe=""),
            "catalog-categories": lambda: quote(PREFIX + (self.catalog and "c"), safe=""),
            "coupons": lambda: self.coupon,
            "coupon-codes": lambda: self.coupon + "-X1",
            "custom-metrics": lambda: self.custom_metric,
            "data-sources": lambda: self.source,
            "events": lambda: self.event,
            "flows": lambda: str(self.flow["id"]),
            "flow-actions": lambda: str(self.actions[0]["id"]),
            "flow-messages": lambda: str(self.actions[1]["data"]["message"]["id"]),
            "forms": lambda: self.form,
            "form-versions": lambda: self.version,
            "lists": lambda: self.list_id,
            "mapped-metrics": lambda: "revenue",
            "metrics": lambda: self.metric,
            "metric-properties": lambda: self.property,
            "profiles": lambda: self.profile,
            "segments": lambda: self.segment,
            "tags": lambda: self.tag,
            "tag-groups": lambda: self.group,
            "templates": lambda: self.template,
            "template-universal-content": lambda: self.content,
            "tracking-settings": lambda: self.account,
            "web-feeds": lambda: self.feed,
            "webhooks": lambda: self.webhook,
            "webhook-topics": lambda: TOPIC,
        }
