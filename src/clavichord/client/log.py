"""The log: one record an attempt on the stdlib's logger `clavichord`, silent until the program configures it.

An answer is DEBUG, a final failure INFO (its error is raised, too), a repetition WARNING. A record's attribute
`klaviyo` is the Call. No key, header, query or body is ever logged.
"""

from __future__ import annotations

import logging

from clavichord.client.types import Call

log = logging.getLogger("clavichord")
log.addHandler(logging.NullHandler())


def log_call(call: Call) -> None:
    """The hook that every client has."""
    if call.retry_in is not None:
        level = logging.WARNING
    else:
        level = logging.DEBUG if call.status is not None and call.status < 400 else logging.INFO
    if not log.isEnabledFor(level):
        return
    text = f"{call.operation}: {call.method} {call.path} {call.status or call.error} in {call.seconds * 1000:.0f} ms"
    if call.remaining is not None:
        text += f", {call.remaining} left"
    if call.waited >= 0.001:
        text += f", waited {call.waited:.2f} s"
    if call.attempt > 1:
        text += f", attempt {call.attempt}"
    if call.retry_in is not None:
        text += f", again in {call.retry_in:.2f} s"
    if call.request_id:
        text += f" [request {call.request_id}]"
    log.log(level, "%s", text, extra={"klaviyo": call})
