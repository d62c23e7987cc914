"""The blocking transport over urllib3."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError, TimeoutError

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE
from clavichord.client.types import Reply, Request, Timeouts


class Urllib3Transport:
    """Connections are kept for `KEEP_ALIVE` seconds; `connections` is how many idle ones are kept per host."""

    def __init__(self, timeouts: Timeouts, *, connections: int = 64) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}
        self._lock = threading.Lock()
        self._used = time.monotonic()

    def _pool(self, origin: str) -> urllib3.HTTPConnectionPool:
        now = time.monotonic()
        if now - self._used > KEEP_ALIVE:
            self.close()
        self._used = now
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools.setdefault(
                    origin, urllib3.connectionpool.connection_from_url(origin, maxsize=self._connections)
                )
        return pool

    def send(self, request: Request) -> Reply:
        limit = urllib3.Timeout(connect=self._timeouts.connect, total=self._timeouts.total)
        try:
            answer = self._pool(request.origin).urlopen(
                request.method,
                request.target,
                body=request.body,
                headers=request.headers,
                retries=False,
                redirect=False,
                timeout=limit,
            )
        except NewConnectionError as error:  # also a name that does not resolve
            raise TransportError(f"cannot connect to {request.origin} ({_reason(error)})", maybe_sent=False) from None
        except ConnectTimeoutError:
            waited = f"within {self._timeouts.connect:g} s"
            raise Timeout(f"cannot connect to {request.origin} {waited}", maybe_sent=False) from None
        except TimeoutError:
            raise Timeout(f"no answer from {request.origin} within {self._timeouts.total:g} s") from None
        except SSLError as error:
            raise TransportError(f"no secure connection to {request.origin} ({_reason(error)})") from None
        except (HTTPError, OSError) as error:
            raise TransportError(f"the connection to {request.origin} broke off ({_reason(error)})") from None
        headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status, headers, answer.data)

    def close(self) -> None:
        """Closes idle connections; a call in flight finishes first."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


def _reason(error: Exception) -> str:
    """The cause in a few words: urllib3 wraps it with the pool, its messages with object addresses."""
    cause = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else None)
    text = str(cause or error)
    return f"{type(cause or error).__name__}: {text.rpartition('>: ')[2]}"
