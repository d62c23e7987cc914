"""Templates, campaigns, flows, reports against what the real API answered on 2026-09-04 (see test_live_shapes.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from tests.sandbox.messages_api import assign, delay_action, email_action, flow, new_campaign, template, write
from tests.sandbox.sandbox_api import Api, Reply
from tests.sandbox.test_live_shapes import differences, hold

from clavichord.sandbox.serve import running

_FILE = Path(__file__).with_name("live_shapes_messages.jsonl")
RECORDS = [msgspec.json.decode(line) for line in _FILE.read_bytes().splitlines()]
CONTENT = dict.fromkeys(
    ("subject", "preview_text", "from_email", "from_label", "reply_to_email", "cc_email", "bcc_email"), "x"
)
EMAIL = {"channel": "email", "label": "One", "content": CONTENT}
UTM = [{"type": "static", "value": "v", "name": name} for name in ("utm_source", "utm_medium", "utm_campaign")]
STATIC = {"method": "static", "datetime": "2026-12-01T00:00:00Z", "options": {"is_local": False}}


@pytest.fixture
def api() -> Iterator[Api]:
    with running(job_delay=0) as served:
        yield Api(served.base_url, "pk_live")


class World:
    """What has to be there before a request can be answered as it was recorded."""

    def __init__(self, api: Api) -> None:
        self.api = api
        lists = [api.list(), api.list("Not these")]
        audiences = {"included": lists[:1], "excluded": lists[1:]}
        tracking = {"add_tracking_params": True, "custom_tracking_params": UTM}
        email = new_campaign(api, definition=EMAIL, audiences=audiences, tracking_options=tracking)
        self.list_id, self.campaign_id = lists[0], email.data["id"]
        self.message_id = email.data["relationships"]["campaign-messages"]["data"][0]["id"]
        self.template_id = template(api)
        trigger = {"type": "list", "id": lists[0]}
        made = flow(api, email_action("mail", self.template_id), delay_action("wait"), trigger=trigger)
        self.flow_id, self.actions = made["id"], made["attributes"]["definition"]["actions"]
        self.flow_message_id = self.actions[0]["data"]["message"]["id"]

    def sms_campaign(self) -> Reply:
        sms = {"channel": "sms", "content": {"body": "x"}}
        return new_campaign(self.api, self.list_id, definition=sms, send_strategy=STATIC)

    def with_image(self) -> Reply:
        """The recorded message was one that may have an image."""
        made = new_campaign(self.api, definition={"channel": "sms", "content": {"body": "x"}})
        message_id = made.data["relationships"]["campaign-messages"]["data"][0]["id"]
        picture = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
        image = write(self.api, "POST", "/api/images", "image", import_from_url=picture, name="dot")
        assert image.status == 201, image.body
        return self.image(message_id, image.data["id"])

    def image(self, message_id: str, image_id: str) -> Reply:
        body = {"data": {"type": "image", "id": image_id}}
        return self.api("PATCH", f"/api/campaign-messages/{message_id}/relationships/image", body)

    def edit(self, query: dict[str, str], **more: Any) -> Reply:
        path, kind = f"/api/campaign-messages/{self.message_id}", "campaign-message"
        definition = {"channel": "email", "content": CONTENT, **more}
        return write(self.api, "PATCH", path, kind, id=self.message_id, query=urlencode(query), definition=definition)

    def universal(self, query: dict[str, str]) -> Reply:
        path, kind = "/api/template-universal-content", "template-universal-content"
        block = {"content_type": "block", "type": "html", "data": {"content": "x", "display_options": {}}}
        # An empty visible_check is what was filled in (LIVE #25); shapes know no empty text.
        block["data"] |= {"display_options": {"visible_check": "x"}}  # type: ignore[operator]
        return write(self.api, "POST", path, kind, query=urlencode(query), name="U", definition=block)

    def estimate(self) -> Reply:
        kind = "campaign-recipient-estimation-job"
        return write(self.api, "POST", f"/api/{kind}s", kind, id=self.campaign_id)

    def clone(self) -> Reply:
        return write(self.api, "POST", "/api/campaign-clone", "campaign", id=self.campaign_id, new_name="C")

    def send(self, record: dict[str, Any]) -> Reply:
        query = record["query"]
        special: dict[tuple[str, int], Callable[[], Reply]] = {
            ("create_campaign", 201): self.sms_campaign,
            ("create_campaign_clone", 201): self.clone,
            ("assign_template_to_campaign_message", 200): lambda: assign(self.api, self.message_id, self.template_id),
            ("update_campaign_message", 400): lambda: self.edit(query, render_options={"shorten_links": True}),
            ("update_campaign_message", 200): lambda: self.edit(query),
            ("refresh_campaign_recipient_estimation", 202): self.estimate,
            ("update_image_for_campaign_message", 204): self.with_image,
            ("update_image_for_campaign_message", 400): lambda: self.image(self.message_id, "123456789"),
            ("create_template", 201): lambda: write(
                self.api, "POST", "/api/templates", "template", name="T", editor_type="CODE", html="<p>x</p>"
            ),
            ("create_universal_content", 201): lambda: self.universal(query),
        }
        known = special.get((record["operation"], record["status"]))
        if known is not None:
            return known()
        if record["operation"].endswith("_for_campaign_message"):
            assign(self.api, self.message_id, self.template_id)
        ids = {
            "campaigns": self.campaign_id,
            "campaign-messages": self.message_id,
            "flows": self.flow_id,
            "flow-actions": self.actions[0]["id"],
            "flow-messages": self.flow_message_id,
        }
        base = record["path"].split("/")[2]
        path = record["path"].replace("{id}", "NOPE01" if record["status"] == 404 else ids[base])
        return self.api.get(path, **query)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['operation']}.{record['status']}")
def test_answers_have_the_recorded_shape(record: dict[str, Any], api: Api) -> None:
    hold(record, World(api).send(record))


def test_restated_records_are_all_driven() -> None:
    assert len(RECORDS) == 22


def test_reports_without_results(api: Api) -> None:
    """FACTS App. G: no relationships, no links in data."""
    attributes: dict[str, Any] = {"statistics": ["opens"], "timeframe": {"key": "today"}, "conversion_metric_id": "X"}
    reply = write(api, "POST", "/api/flow-values-reports", "flow-values-report", **attributes)
    shape = {
        "data": {"type": "flow-values-report", "id": "<uuid>", "attributes": {"results": []}},
        "links": {"self": "https://a.klaviyo.com/api/flow-values-reports", "next": None, "prev": None},
    }
    assert list(differences(shape, reply.json)) == []
    assert reply.headers["ratelimit-limit"] == "1, 1;w=1, 2;w=60, 225;w=86400"


def test_created_flow(api: Api) -> None:
    """FACTS App. G."""
    reply = write(
        api, "POST", "/api/flows", "flow", name="F",
        definition={"triggers": [], "profile_filter": None, "actions": [], "entry_action_id": None},
    )  # fmt: skip
    assert reply.headers["ratelimit-limit"] == "1, 1;w=1, 15;w=60, 100;w=86400"
    assert list(reply.data["relationships"]) == ["flow-actions", "tags"]
    assert reply.json["links"] == {"self": "https://a.klaviyo.com/api/flows"}
