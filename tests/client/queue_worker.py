"""Programs that enqueue, each in a process of its own: `queue_worker.py WHAT BASE_URL …`."""

from __future__ import annotations

import logging
import os
import sys

from clavichord.client.client import Klaviyo
from clavichord.client.pacing import Pacing
from clavichord.client.queue.sender import EventQueue


def client(base_url: str, **options: object) -> Klaviyo:
    queue = EventQueue(**options)  # type: ignore[arg-type]
    return Klaviyo("pk_worker", base_url=base_url, retries=0, pacing=Pacing(enabled=False), event_queue=queue)


def enqueue(klaviyo: Klaviyo, *names: str) -> None:
    for name in names:
        klaviyo.events.enqueue("Seen", profile={"email": "a@shop.test"}, unique_id=name)


def ends(base_url: str, count: str) -> None:
    """Enqueues, and comes to its end."""
    enqueue(client(base_url, interval=60), *(f"e{n}" for n in range(int(count))))


def ends_in_vain(base_url: str) -> None:
    """The same, with a server that does not answer."""
    logging.basicConfig()
    enqueue(client(base_url, deadline=0.2), "e0", "e1")


def killed(base_url: str, spool: str) -> None:
    """Says after each event that it is safe, and waits to be killed."""
    klaviyo = client(base_url, spool=spool)
    for n in range(700):
        enqueue(klaviyo, f"e{n}")
        sys.stdout.write(f"e{n}\n")
        sys.stdout.flush()
    sys.stdin.read()


def forks(base_url: str, spool: str = "") -> None:
    """Forks while the queue of the parent is at work; each child enqueues, too."""
    klaviyo = client(base_url, **({"spool": spool} if spool else {}))
    for child in range(8):
        enqueue(klaviyo, *(f"parent-{child}-{n}" for n in range(20)))
        pid = os.fork()
        if pid == 0:
            enqueue(klaviyo, *(f"child-{child}-{n}" for n in range(20)))
            sys.exit(0)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def shares(base_url: str, spool: str, name: str) -> None:
    """One of several that fill a spool at the same time."""
    enqueue(client(base_url, spool=spool, interval=0, deadline=60), *(f"{name}-{n}" for n in range(300)))


if __name__ == "__main__":
    {what.__name__: what for what in (ends, ends_in_vain, killed, forks, shares)}[sys.argv[1]](*sys.argv[2:])
