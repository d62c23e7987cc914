"""The send times of one limit, in a ring of doubles: in this process, or in a file that the host's processes share.

Layout, in doubles: a header of `HEADER`, then `capacity` entries. Entry `k % capacity` belongs to slot k:
t > 0 sent at t, t < 0 reserved for -t and not sent yet, 0 never used. Times are CLOCK_MONOTONIC seconds, which on Linux
and macOS is one clock for all processes of a host; a file from before the last boot is started afresh.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import Protocol, TypeAlias
from weakref import WeakSet

try:
    import fcntl
except ImportError:  # Windows: no flock, every process paces for itself
    HAS_FLOCK = False
else:
    HAS_FLOCK = True

Doubles: TypeAlias = "memoryview[float]"

HEADER = 32
HEAD, BOOT, CAPACITY = 0, 1, 2
"""header places: next slot, boot the file belongs to, number of entries; the others are the ledger's"""


class Ring(Protocol):
    """Doubles under a lock. Everything a ledger reads and writes happens between `acquire` and `release`."""

    capacity: int

    def acquire(self, wait: bool = True) -> Doubles:
        """BlockingIOError if not `wait` and somebody holds the lock."""
        ...

    def release(self) -> None: ...


_rings: WeakSet[ProcessRing | HostRing] = WeakSet()


def _after_fork() -> None:
    """A thread that held a lock does not exist in the child."""
    for ring in list(_rings):
        ring.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class ProcessRing:
    """A ring for the threads and tasks of this process."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._doubles = memoryview(bytearray(8 * (HEADER + capacity))).cast("d")
        self._lock = threading.Lock()
        _rings.add(self)

    def acquire(self, wait: bool = True) -> Doubles:
        if not self._lock.acquire(wait):
            raise BlockingIOError
        return self._doubles

    def release(self) -> None:
        self._lock.release()

    def after_fork(self) -> None:
        self._lock = threading.Lock()


class HostRing:
    """A ring in a file, shared by every process of this host that opens the same path. OSError if it cannot be."""

    def __init__(self, path: Path, capacity: int) -> None:
        self.path = path
        self.capacity = capacity
        self._lock = threading.Lock()
        self._open()
        _rings.add(self)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(self.path, flags, 0o600)
        size = 8 * (HEADER + self.capacity)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            if os.fstat(self._file).st_size != size:
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, size)
            self._doubles = memoryview(mmap.mmap(self._file, size)).cast("d")
            if (self._doubles[BOOT], self._doubles[CAPACITY]) != (_boot(), self.capacity):
                self._doubles[:] = memoryview(bytes(size)).cast("d")
                self._doubles[BOOT], self._doubles[CAPACITY] = _boot(), self.capacity
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def acquire(self, wait: bool = True) -> Doubles:
        if not self._lock.acquire(wait):
            raise BlockingIOError
        try:
            # another ring on the same file may be held by this very thread: not waiting must mean so here too
            fcntl.flock(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self._lock.release()
            raise
        return self._doubles

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._lock.release()

    def after_fork(self) -> None:
        """The file description, and with it the flock, is the parent's: the child needs its own."""
        self._lock = threading.Lock()
        inherited = self._file
        with contextlib.suppress(OSError):
            self._open()
            os.close(inherited)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._file)


def _boot() -> float:
    """A number that names this boot of the machine, 0 where the system does not say."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    except OSError:
        return 0.0
    return float(int(text.replace("-", "")[:12], 16))


def default_folder() -> Path:
    """A folder of this user that is emptied at boot if the system has one, else one among the temporary files."""
    user = os.getuid()
    runtime = Path(f"/run/user/{user}")
    if runtime.is_dir() and os.access(runtime, os.W_OK):
        return runtime / "clavichord"
    return Path(tempfile.gettempdir()) / f"clavichord-{user}"


def open_ring(folder: Path | None, name: str, capacity: int) -> Ring:
    """The shared ring `name` in `folder`; one for this process if there is no folder or it cannot be used safely."""
    if folder is None or not HAS_FLOCK:
        return ProcessRing(capacity)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return ProcessRing(capacity)  # someone else's: they could stop or mislead us
        return HostRing(folder / name, capacity)
    except OSError:
        return ProcessRing(capacity)
