"""`k.jobs`: waits for what Klaviyo works on in its own time."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from clavichord.client.errors import ConfigurationError, KlaviyoError
from clavichord.client.operation import AsyncGroup, SyncGroup
from clavichord.client.resource import Resource, decode_one
from clavichord.client.routes import named
from clavichord.client.verbs.arguments import resource_id, seconds
from clavichord.client.work import Work, compound, one, plain, rest
from clavichord.spec import load

R = TypeVar("R", bound=Resource)
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
"""seconds between two looks at a job"""
ENDED = frozenset({"complete", "cancelled"})


class JobUnfinished(KlaviyoError):
    """The job was still at work when the time was over. `job` is what was last known of it."""

    def __init__(self, job: Resource, timeout: float) -> None:
        super().__init__(job, timeout)
        self.job = job
        self.timeout = timeout

    def __str__(self) -> str:
        status = getattr(self.job, "status", None)
        return f"jobs.wait: {self.job.type} {self.job.id} is {status} after {self.timeout:g} s: wait again, or longer"


class _Jobs:
    @compound
    def wait(self: Any, job: R, *, timeout: float = 900.0) -> Work[R]:
        """The job when it has ended: `status` is then complete or cancelled, the counts are final.

        Takes whatever an operation that starts a job returns. JobUnfinished after `timeout` seconds; NotFound for jobs
        that Klaviyo has forgotten, which it does after seven days (FACTS §7).
        """
        patience = seconds("jobs.wait", "timeout", timeout)
        if not isinstance(job, Resource) or job.type not in kinds():
            raise ConfigurationError(f"jobs.wait: job is one of {', '.join(sorted(kinds()))}, not {job!r}")
        resource_id("jobs.wait", "job", job)
        clock = self._client._core.clock
        end, pause = clock() + patience, FIRST_PAUSE
        while True:
            response = yield from one(plain(self, kinds()[job.type], id=job.id))
            found = decode_one(response, type(job))
            if found is not None:
                job = found
            if getattr(job, "status", None) in ENDED:
                return job
            left = end - clock()
            if left <= 0:
                raise JobUnfinished(job, timeout)
            yield from one(rest(min(pause, left)))
            pause = min(pause * 1.6, LONGEST_PAUSE)


@cache
def kinds() -> dict[str, str]:
    """Type of a job → the operation that tells how it is doing."""
    return {
        op.resource: op.id
        for op in load().operations.values()
        if op.method == "GET" and op.resource.endswith("-job") and not op.many and len(named(op.id).path_params) == 1
    }


class Jobs(_Jobs, SyncGroup):
    pass


class AsyncJobs(_Jobs, AsyncGroup):
    pass
