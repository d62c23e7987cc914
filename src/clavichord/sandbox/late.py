"""Events that are accepted now and seen later, or dated otherwise than the client said: faults of a data flow."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal
from clavichord.sandbox.faults import Fault, redate
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.query import Query

_KIND = "late events"


class _Undone(Exception):
    """Takes back what a behaviour wrote, and brings its answer out."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def declare(engine: Engine, behaviours: Mapping[str, Behaviour]) -> None:
    def work(engine: Engine, task: Task) -> None:
        operation = engine.catalogue.operations[task.payload["operation"]]
        call = Call(engine, operation, task.account, engine.clock.now(), "", "", Query([]), task.payload["data"])
        with suppress(Refusal):  # it was answered long ago; by now another profile may have the identifier
            behaviours[operation.id](call)

    engine.jobs.kind(_KIND, work)


def answer(call: Call, behaviour: Behaviour, fault: Fault) -> Answer:
    """What the client is told at once. With `late` the request is tried, undone and repeated when it is due: it is
    refused for the same reasons as ever, and nothing of it can be seen before."""
    redate(call.data, call.now, fault.shift)
    if not fault.late:
        return behaviour(call)
    again = {"operation": call.operation.id, "data": msgspec.json.decode(msgspec.json.encode(call.data))}
    try:
        with call.engine.store.write():
            raise _Undone(behaviour(call))
    except _Undone as undone:
        call.engine.jobs.submit(call.account, _KIND, again, delay=fault.late)
        return undone.answer
