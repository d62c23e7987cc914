"""Whether another process of this host is still there."""

from __future__ import annotations

import os


def is_dead(pid: int) -> bool:
    """True if it is known to be gone; False where asking is not safe (Windows)."""
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
