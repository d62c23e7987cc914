"""Images and web feeds from addresses on this machine; no other machine is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, render, send, write
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox import fetching
from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.resources import outbox
from clavichord.sandbox.serve import running

GIF = b"GIF89a" + bytes(20)
UNFETCHED = [("/data/attributes/import_from_url", "Unable to fetch the URL you entered.")]


class Shop(ThreadingHTTPServer):
    """A shop's own server: path → what it answers."""

    pages: dict[str, bytes]
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.server.pages.get(self.path)
        self.send_response(302 if self.path == "/moved" else 200 if body is not None else 404)
        self.send_header("Location", "/dot.gif")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(("127.0.0.1", 0), _Handler) as server:
        server.pages, server.asked = {"/dot.gif": GIF, "/text": b"hello", "/moved": GIF}, []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def image(api: Api, url: str) -> Any:
    return write(api, "POST", "/api/images", "image", import_from_url=url)


def test_images_of_this_machine_are_fetched(api: Api, shop: Shop) -> None:
    made = image(api, f"{shop.url}/dot.gif").data["attributes"]
    assert (made["name"], made["format"], made["size"]) == ("dot", "gif", len(GIF))
    for wrong in ("/text", "/nothing", "/moved"):
        assert image(api, shop.url + wrong).faults == UNFETCHED
    assert shop.asked == ["GET /dot.gif", "GET /text", "GET /nothing", "GET /moved"]
    assert image(api, "http://127.0.0.1:1/dot.gif").faults == UNFETCHED  # nobody listens there
    assert image(api, "http://[::1]:1/dot.gif").faults == UNFETCHED
    afar = image(api, "https://pictures.shop.test/shoe.png").data["attributes"]
    assert (afar["name"], afar["format"], afar["size"]) == ("shoe", "png", 0)


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://localhost:80/", True),
        ("https://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("data:,x", True),
        ("http://10.0.0.1/", False),
        ("http://localhost.evil.test/", False),
        ("http://169.254.169.254/", False),
        ("file:///etc/passwd", False),
        ("http://[", False),
        ("ftp://localhost/", False),
    ],
)
def test_what_is_near(url: str, near: bool) -> None:
    assert fetching.is_near(url) is near
    if not near:
        with pytest.raises(fetching.Unreachable):
            fetching.fetch(url, 10)


def test_the_size_is_bounded(shop: Shop) -> None:
    assert fetching.fetch(f"{shop.url}/text", 5) == b"hello"
    with pytest.raises(fetching.Unreachable, match="more than 4 bytes"):
        fetching.fetch(f"{shop.url}/text", 4)


def feed(api: Api, name: str, url: str, **attributes: Any) -> str:
    given = {"name": name, "url": url, "request_method": "get", "content_type": "json"} | attributes
    made = write(api, "POST", "/api/web-feeds", "web-feed", **given)
    assert made.status == 201, made.body
    assert made.data["attributes"]["status"] is None
    return str(made.data["id"])


def test_messages_show_web_feeds(shop: Shop) -> None:
    shop.pages["/best"] = b'{"items": [{"name": "Tea"}, {"name": "Mug & cup"}]}'
    shop.pages["/old"] = b"<shop town='Bonn'><item>Tea</item><item>Mug</item><owner><name>Ann</name></owner></shop>"
    clock = VirtualClock(1_800_000_000_000_000)
    with running(limits="off", job_delay=0, clock=clock) as served:
        api = Api(served.base_url, "pk_a")
        ids = [feed(api, "best", f"{shop.url}/best"), feed(api, "broken", f"{shop.url}/text")]
        feed(api, "old", f"{shop.url}/old", content_type="xml", request_method="post")
        ids.append(feed(api, "afar", "https://feeds.shop.test/best"))
        found = [api.get(f"/api/web-feeds/{one}").data["attributes"]["status"] for one in ids]
        assert found == ["ok", "warning_periodic_refresh_timeout", "ok"]
        assert shop.asked == ["GET /best", "GET /text", "POST /old"]
        html = "{% for one in feeds.best.items %}{{ one.name }}, {% endfor %}"
        html += "{{ feeds.old.shop.town }} {{ feeds.old.shop.item.1 }} {{ feeds.old.shop.owner.name }}"
        html += "{{ feeds.broken }}{{ feeds.afar }}{{ feeds.nobody }}"
        shown = "Tea, Mug &amp; cup, Bonn Mug Ann"
        assert render(api, html).data["attributes"]["html"] == f"<html><head></head><body>{shown}</body></html>"
        assert render(api, "{{ feeds.best }}", feeds={"best": "mine"}).data["attributes"]["text"] == "mine"
        list_id = api.list()
        api.join(list_id, api.profile(email="ann@shop.test"))
        campaign_id, _ = campaign(api, list_id, html="<p>{{ feeds.best.items.0.name }}</p>")
        send(api, campaign_id)
        sent = outbox.entries(served.sandbox.engine.store, api.get("/api/accounts").ids[0])
        assert "<p>Tea</p>" in sent[0].html
        shop.pages["/best"] = b'{"items": [{"name": "Milk"}]}'
        for moved, expected in ((60, "Tea"), (7200, "Milk")):
            clock.advance(moved)
            assert render(api, "{{ feeds.best.items.0.name }}").data["attributes"]["text"] == expected
        assert shop.asked.count("GET /best") == 2
