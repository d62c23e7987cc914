"""Forks cold processes whose threads need catalogue and decoder at once; the exit code counts those that died.

Run alone: it forks, so nothing else may be in its process.
"""

from __future__ import annotations

import os
import sys
import threading

from clavichord.client.models import Profile
from clavichord.client.resource import decode_many
from clavichord.client.types import Response
from clavichord.spec import load

PAGE = Response("get_profiles", 200, {}, b'{"data":[{"type":"profile","id":"1","attributes":{"email":"a@b.test"}}]}')


def cold() -> None:
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        load()
        decode_many(PAGE, Profile)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)


sys.setswitchinterval(1e-5)
died = 0
for _ in range(40):
    child = os.fork()
    if child == 0:
        cold()
    died += os.waitpid(child, 0)[1] != 0
sys.exit(died)
