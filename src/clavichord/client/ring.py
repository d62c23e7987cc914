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
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

try:
    import fcntl
except ImportError:  # Windows: no flock, every process paces for itself
    HAS_FLOCK = False
else:
    HAS_FLOCK = True

Doubles: TypeAlias = "memoryview[float]"

HEADER = 16
HEAD, BLOCKED, BOOT, CAPACITY = 0, 1, 14, 15
"""header places: next slot, blocked until, boot the file belongs to, number of entries; 2…13 are the ledger's"""


class Ring(Protocol):
    """A locked view of the doubles. Everything a ledger reads and writes happens inside `locked()`."""

    capacity: int

    def locked(self, *, wait: bool = True) -> contextlib.AbstractContextManager[Doubles]:
        """BlockingIOError if not `wait` and somebody holds the lock."""
        ...


def _acquire(lock: threading.Lock, wait: bool) -> None:
    if not lock.acquire(blocking=wait):
        raise BlockingIOError


class ProcessRing:
    """A ring for the threads and tasks of this process."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._doubles = memoryview(bytearray(8 * (HEADER + capacity))).cast("d")
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[Doubles]:
        _acquire(self._lock, wait)
        try:
            yield self._doubles
        finally:
            self._lock.release()


class HostRing:
    """A ring in a file, shared by every process of this host that opens the same path. OSError if it cannot be."""

    def __init__(self, path: Path, capacity: int) -> None:
        self.path = path
        self.capacity = capacity
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._pid = os.getpid()
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

    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[Doubles]:
        _acquire(self._lock, wait)
        try:
            if self._pid != os.getpid():  # after a fork the file description, and with it the flock, is the parent's
                self._open()
            # another ring on the same file may be held by this very thread: not waiting must mean so here too
            fcntl.flock(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield self._doubles
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._lock.release()

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
