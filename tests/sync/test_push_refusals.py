"""Klaviyo's refusals, from a server that says what the test wants: the guilty rows are found, the others arrive."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.sync.push_project import CUSTOMERS, ORDERS, Project, customer, order

from clavichord.sync.report import RunReport

SYNC = CUSTOMERS + "confirm: {wait: 1s, read_back: 0}\n"


class Script:
    """What the server answers. `bad` are external_ids that it does not take."""

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.pointers = True
        self.import_errors: list[dict[str, Any]] = []
        self.job_status = "complete"
        self.import_status = 202
        self.taken: list[str] = []
        self.imports = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/accounts":
            return 200, {"data": [{"type": "account", "id": "ABC123", "attributes": {}}]}
        if path == "/api/profile-bulk-import-jobs":
            return self._import(
                [p["attributes"]["external_id"] for p in body["data"]["attributes"]["profiles"]["data"]]
            )
        if path.endswith("/import-errors"):
            return 200, {"data": self.import_errors, "links": {"self": "", "next": None}}
        if path.startswith("/api/profile-bulk-import-jobs/"):
            count = len(self.taken)
            job = {"status": self.job_status, "total_count": count, "completed_count": count - len(self.import_errors)}
            return 200, {
                "data": {
                    "type": "profile-bulk-import-job",
                    "id": "job",
                    "attributes": {**job, "failed_count": len(self.import_errors)},
                }
            }
        if path == "/api/profile-import":
            key = body["data"]["attributes"]["external_id"]
            return (
                (400, _errors([("/data/attributes/email", "Invalid email address")]))
                if key in self.bad
                else (201, {"data": {"type": "profile", "id": key}})
            )
        raise AssertionError(path)

    def _import(self, keys: list[str]) -> tuple[int, Any]:
        self.imports += 1
        if self.import_status != 202:
            return self.import_status, _errors([("/data/", "no")])
        at = "/data/attributes/profiles/data/{}/attributes/email"
        guilty = [
            (at.format(i) if self.pointers else "/data", "Invalid email address")
            for i, key in enumerate(keys)
            if key in self.bad
        ]
        if guilty:
            return 400, _errors(guilty[:2])
        self.taken += keys
        return 202, {"data": {"type": "profile-bulk-import-job", "id": "job", "attributes": {"status": "queued"}}}


def _errors(found: list[tuple[str, str]]) -> Any:
    return {
        "errors": [
            {"id": "1", "code": "invalid", "title": "Invalid input.", "detail": d, "source": {"pointer": p}}
            for p, d in found
        ]
    }


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def project(script: Script, tmp_path: Path) -> Iterator[Project]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                raw = gzip.decompress(raw)
            status, document = script.answer(
                self.command, self.path.partition("?")[0].rstrip("/"), json.loads(raw) if raw else None
            )
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/vnd.api+json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _handle

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    project = Project(tmp_path, f"http://127.0.0.1:{server.server_address[1]}")
    project.customers(customer(i) for i in range(64))
    yield project
    server.shutdown()
    server.server_close()
    thread.join()


def rejected(report: RunReport) -> list[str]:
    return sorted(s.key for g in report.groups if g.row_class == "rejected" for s in g.samples)


def test_rows_that_pointers_name_are_taken_out_and_the_rest_is_sent(script: Script, project: Project) -> None:
    script.bad = {"c00003", "c00040", "c00063"}
    report = project.run(SYNC)
    assert rejected(report) == sorted(script.bad)
    assert (report.classes["rejected"], report.classes["confirmed"], report.exit_code) == (3, 61, 3)
    assert script.imports == 3  # two named at a time, then the last, then none
    assert len(script.taken) == 61
    (group,) = report.groups
    assert (group.samples[0].message, group.samples[0].field) == ("Invalid email address", "email")


def test_without_pointers_the_guilty_row_is_found_by_halving(script: Script, project: Project) -> None:
    script.bad, script.pointers = {"c00017"}, False
    report = project.run(SYNC)
    assert rejected(report) == ["c00017"]
    assert (report.classes["confirmed"], len(script.taken)) == (63, 63)
    assert script.imports == 1 + 2 * 6


def test_one_by_one_refusals(script: Script, project: Project) -> None:
    project.customers(customer(i) for i in range(5))
    script.bad = {"c00002"}
    report = project.run(SYNC)
    assert rejected(report) == ["c00002"]
    assert report.classes["confirmed"] == 4


@pytest.mark.parametrize(
    "error",
    [
        {"source": {"pointer": "/data/attributes/profiles/data/5/attributes/phone_number"}},
        {"source": {"pointer": "/data"}, "original_payload": {"email": "Person5@shop.example"}},
        {
            "source": {"pointer": "/data"},
            "original_payload": {"data": {"attributes": {"email": "person5@shop.example"}}},
        },
    ],
)
def test_import_errors_are_assigned(script: Script, project: Project, error: dict[str, Any]) -> None:
    attributes = {"code": "invalid", "title": "Invalid.", "detail": "It is not.", **error}
    script.import_errors = [{"type": "import-error", "id": "e", "attributes": attributes}]
    report = project.run(SYNC)
    assert rejected(report) == ["c00005"]
    assert (report.classes["rejected"], report.classes["confirmed"]) == (1, 63)


def test_an_import_error_that_names_nobody_confirms_nobody(script: Script, project: Project) -> None:
    attributes = {"code": "invalid", "title": "Invalid.", "detail": "It is not.", "source": {"pointer": "/data"}}
    script.import_errors = [{"type": "import-error", "id": "e", "attributes": attributes}]
    report = project.run(SYNC)
    assert (report.classes["accepted"], report.exit_code, report.state) == (64, 4, "finished")


def test_a_job_that_is_still_working_is_asked_again_by_the_next_run_and_not_sent_again(
    script: Script, project: Project
) -> None:
    script.job_status = "processing"
    report = project.run(SYNC)
    assert (report.classes["accepted"], report.exit_code, report.state) == (64, 4, "waiting")
    assert project.run(SYNC).state == "waiting"
    script.job_status = "complete"
    report = project.run(SYNC)
    assert (report.exit_code, report.classes["unchanged"], script.imports) == (0, 64, 1)
    assert report.resumed is not None
    assert report.resumed.classes["confirmed"] == 64


def test_a_cancelled_job(script: Script, project: Project) -> None:
    script.job_status = "cancelled"
    report = project.run(SYNC)
    assert (report.classes["rejected"], report.exit_code) == (64, 3)
    assert [g.code for g in report.groups] == ["klaviyo.cancelled"]
    script.job_status = "complete"
    assert project.run(SYNC).classes["confirmed"] == 64


@pytest.mark.parametrize(("status", "code", "exit_code"), [(401, "account.refused", 6), (403, "account.scope", 6)])
def test_a_refused_account_ends_the_run_at_once(
    script: Script, project: Project, status: int, code: str, exit_code: int
) -> None:
    script.import_status = status
    report = project.run(SYNC)
    assert report.halt is not None
    assert (report.halt.code, report.exit_code, report.classes["deferred"]) == (code, exit_code, 64)
    assert script.imports == 1
    script.import_status = 202
    assert project.run(SYNC).exit_code == 0


def test_nobody_there(tmp_path: Path) -> None:
    project = Project(tmp_path, "http://127.0.0.1:9")
    project.orders(order(i) for i in range(3))
    report = project.run(ORDERS)
    assert report.halt is not None
    assert (report.halt.code, report.exit_code, report.classes["deferred"]) == ("network.unreachable", 1, 3)
