"""Test mails of a template: rendered for a person or for nobody in particular, and left in the outbox (2026-10-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, invalid, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.rendering import TemplateError, Withheld, render
from clavichord.sandbox.resources import accounts, identity, localisation, outbox, web_feeds
from clavichord.sandbox.resources.message_links import MessageSurroundings

_JOB = "template-preview-send-job"
MAX_RECIPIENTS = 5

JOB = crud.declare(
    Kind(
        type=_JOB, attributes={"status": "queued", "created_at": ""}, new_id=crud.ulid, created="created_at", updated=""
    )
)


def send_preview(call: Call) -> Answer:
    given, relationships = call.data["attributes"], call.data["relationships"]
    _check_recipients(given["recipients"])
    template = _named(call, relationships.get("template"), "template")
    if template is None:
        raise invalid(inferred.REQUIRED.format(name="template"), pointer="/data/relationships/template/data")
    profile = _named(call, relationships.get("profile"), "profile")
    payload = {
        "recipients": given["recipients"],
        "context": given.get("context") or {},
        "template": template,
        "profile": profile,
    }
    job_id = JOB.new_id(call)
    attributes = dict(JOB.attributes) | {"created_at": seconds(call.now // SECOND)}
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, _JOB, job_id, attributes, call.now)
        call.engine.jobs.submit(call.account, _JOB, payload, job=job_id)
    return crud.show(call, _JOB, job_id, attributes | {"created_at": micros(call.now)})


def _check_recipients(recipients: list[str]) -> None:
    at = "/data/attributes/recipients"
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise invalid(inferred.PREVIEW_RECIPIENTS.format(max=MAX_RECIPIENTS), pointer=at)
    found = [
        problem(identity.BAD_EMAIL, pointer=f"{at}/{index}")
        for index, one in enumerate(recipients)
        if identity.faults({"email": one}, "", required=False)
    ]
    if found:
        raise Refusal(*found)


def _named(call: Call, linkage: Mapping[str, Any] | None, type_name: str) -> str | None:
    """The id in a relationship of the body. Refusal (404)."""
    ids = crud.named((linkage or {}).get("data"))
    crud.require_all(call, type_name, ids)
    return ids[0] if ids else None


def _begin(engine: Engine, task: Task) -> None:
    _set_status(engine, task, "processing")


def _set_status(engine: Engine, task: Task, status: str) -> None:
    job = generic.load(engine.store, task.account, _JOB, task.job)
    if job is not None:
        generic.update(engine.store, task.account, _JOB, task.job, job | {"status": status}, engine.clock.now())


def _send(engine: Engine, task: Task) -> None:
    """A template that cannot be rendered is not sent: the outbox says why, the job is cancelled."""
    store, account, now = engine.store, task.account, engine.clock.now()
    template = generic.load(store, account, "template", task.payload["template"])
    profile = identity.load(store, account, task.payload["profile"] or "")
    person: dict[str, Any] = (
        outbox.context_of(engine, account, profile) if profile else dict(inferred.SYNTHETIC_PROFILE)
    )
    reason, html, text = "The template was deleted.", "", ""
    if template is not None:
        owners = localisation.owners_of(store, account, task.payload["template"])
        words = localisation.table(store, account, owners, person.get("locale"))
        source, plain = localisation.template(template, words)
        organization = accounts.organization(accounts.attributes(store, account))
        around_person = {"feeds": web_feeds.Feeds(engine, account), "organization": organization}
        context = around_person | person | task.payload["context"]
        around = MessageSurroundings(engine, account, now)
        try:
            html, text = render(source, context, around), render(plain, context, around, escape=False)
            reason = ""
        except (TemplateError, Withheld) as error:
            reason = str(error)
    subject = inferred.PREVIEW_SUBJECT.format(name=template["name"] if template else "")
    for recipient in task.payload["recipients"]:
        outbox.preview(store, account, task.job, recipient, now, outbox.Parts(subject, html, text), reason)
    _set_status(engine, task, "cancelled" if reason else "complete")


def declare(engine: Engine) -> None:
    engine.jobs.kind(_JOB, _send, _begin)


BEHAVIOURS: Mapping[str, Behaviour] = {"create_template_preview_send_job": send_preview}
