"""A process that works on an install: `oauth_worker.py BASE_URL STORE THREADS [die]` prints a status a thread.

With `die` it ends, as by kill -9, when fresh tokens would be persisted.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from clavichord.client.errors import KlaviyoError
from clavichord.client.oauth import OAuth
from clavichord.client.pacing import Pacing
from clavichord.client.tokens import SQLiteTokens, Tokens


class Dying(SQLiteTokens):
    def save(self, name: str, tokens: Tokens) -> None:
        if tokens.refreshed_at > (self.load(name) or tokens).refreshed_at:
            os._exit(9)
        super().save(name, tokens)


def main(base_url: str, path: str, threads: str, *mode: str) -> None:
    store = (Dying if mode else SQLiteTokens)(path)
    app = OAuth(
        "app-1", "secret-1", redirect_uri="http://localhost/x", scopes=["lists:read"], store=store, base_url=base_url
    )
    with app.klaviyo("shop", pacing=Pacing(enabled=False)) as klaviyo, ThreadPoolExecutor(int(threads)) as pool:

        def call(_: int) -> int:
            try:
                return klaviyo.send("get_lists").status
            except KlaviyoError as error:
                return getattr(error, "status", 0)

        sys.stdout.write(" ".join(map(str, pool.map(call, range(int(threads))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
