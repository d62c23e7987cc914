"""Keys and tokens are nowhere: not in what is shown, logged, raised, traced, journalled or spooled."""

from __future__ import annotations

import itertools
import logging
import pickle
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Answer, Scripted
from tests.client.test_otel import Collected

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.errors import KlaviyoError
from clavichord.client.journal import Journal
from clavichord.client.oauth import OAuth
from clavichord.client.pacing import Pacing
from clavichord.client.queue.sender import EventQueue, Undelivered
from clavichord.client.tokens import SQLiteTokens, Tokens
from clavichord.client.types import Call

ACCESS, REFRESH, SECRET = "access.token.in.clear", "refresh-token-in-clear", "client-secret-in-clear"


@pytest.fixture(params=["key", "oauth"])
def auth(request: pytest.FixtureRequest, server: Scripted, tmp_path: Path) -> Iterator[Any]:
    if request.param == "key":
        yield KEY
        return
    store = SQLiteTokens(tmp_path / "tokens.db")
    app = OAuth("a", SECRET, redirect_uri="http://x/y", scopes=["a:b"], store=store, base_url=server.base_url)
    store.save(app.key("shop"), Tokens(ACCESS, REFRESH, (), time.time() + 3600, time.time()))
    yield app.install("shop")


def test_secrets_are_nowhere(
    auth: Any,
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    collected, calls, told = Collected(), list[Call](), list[Undelivered]()
    journal = Journal(tmp_path / "calls.db")
    queue = EventQueue(spool=tmp_path / "spool.db", interval=60, deadline=0, on_error=told.append)
    options: dict[str, Any] = {"base_url": server.base_url, "retries": 0, "pacing": Pacing(enabled=False)}
    k = Klaviyo(auth, on_response=[journal, collected.hook, calls.append], event_queue=queue, **options)
    seen: list[str] = []
    answers = [
        Answer(200, {"data": []}),
        Answer(401),
        Answer(403, b"<html>no</html>"),
        Answer(reset=True),
        Answer(307, b"", {"Location": "http://elsewhere.test"}),
        Answer(500),
        Answer(400, {"error": "invalid_grant"}),
    ]
    monkeypatch.setattr("clavichord.client.token_endpoint.backoff", lambda attempt: 0)
    refreshed = [Answer(reset=True), Answer(400, {"error": "invalid_grant"})]
    refreshed.insert(0, Answer(200, {"access_token": ACCESS, "expires_in": -1}))
    for answer, server.otherwise in itertools.product(answers, refreshed):
        server.answers = [answer]
        try:
            k.send("get_profiles")
        except KlaviyoError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            # the frames of this test hold the key as a constant of their own; ours must not
            seen += [frame for frame in shown.format() if "/clavichord/client/" in frame.partition("\n")[0]]
            seen += [str(error), repr(error), repr(vars(error))]
    with suppress(KlaviyoError):
        k.client.create_client_event(company_id=KEY, metric="m", profile={"email": "a@b.test"}, properties={})
    server.otherwise = Answer(401)
    k.events.enqueue("Seen", profile={"email": "a@shop.test"})
    k.events.flush(0.2)
    for one in (k, AsyncKlaviyo(auth, **options), k._core.auth, journal, queue, told, calls):
        seen += [repr(one), repr(getattr(one, "__dict__", ""))]
    for one in (k, k._core.auth):
        with pytest.raises(TypeError):
            pickle.dumps(one)
    k.close()
    journal.close()
    seen += [span.to_json() for span in collected.spans]
    captured = capfd.readouterr()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.name != "tokens.db.key")
    everything = "\n".join([*seen, repr(calls), caplog.text, captured.out, captured.err, files.decode("latin-1")])
    assert len(seen) > 20
    assert "a@shop.test" in everything  # the spool is looked into
    assert "get_profiles" in files.decode("latin-1")  # and the journal
    basic = b64encode(f"a:{SECRET}".encode()).decode()
    for secret in (KEY[5:], ACCESS, REFRESH, SECRET, basic):
        assert secret not in everything
