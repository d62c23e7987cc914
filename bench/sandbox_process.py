"""A sandbox in a process of its own, for measurements that must not see its CPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

KEY = "pk_" + "b" * 34


@contextmanager
def sandbox(*options: str, limits: str) -> Iterator[str]:
    """Starts `clavichord sandbox`; gives its base URL. No gzip: not every client asks for it, and all are to read the
    same bytes."""
    options = ("--no-gzip", *options)
    command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--limits", limits, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
