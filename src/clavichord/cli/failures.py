"""What went wrong, as one block on stderr: what, where, what to do. Never a traceback, never a secret."""

from __future__ import annotations

import re
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from clavichord.client.errors import (
    AuthenticationFailed,
    AuthorizationRefused,
    KlaviyoError,
    PermissionDenied,
    RateLimited,
)
from clavichord.sync.mistakes import InvalidDefinition, SyncError

STOPPED = 130
FORESEEN = (SyncError, KlaviyoError, OSError, UnicodeDecodeError, ModuleNotFoundError)
"""what `tell` explains; anything else is a mistake of ours"""
_SECRETS = re.compile(r"\bpk_\w+|(?<=Klaviyo-API-Key )\S+|(?<=Bearer )\S+")
_secrets: set[str] = set()
_logs: list[Path] = []


def keep_secret(value: str) -> None:
    """`value` will not stand in any message or log of this process."""
    if value:
        _secrets.add(value)


def log_to(folder: Path) -> None:
    """Tracebacks of unexpected errors go to this folder (the project's state) instead of the temporary one."""
    _logs.append(folder)


def redacted(text: str) -> str:
    for secret in _secrets:
        text = text.replace(secret, "•••")
    return _SECRETS.sub("•••", text)


def block(what: str, *more: str) -> None:
    """Writes one block."""
    lines = [f"✗ {what}", *(f"  {line}" for line in more if line)]
    sys.stderr.write(redacted("\n".join(lines)) + "\n")


def tell(error: Exception) -> int:
    """Says one of FORESEEN and returns the exit code; a module of ours that is missing is raised again."""
    match error:
        case InvalidDefinition():
            count = len(error.mistakes)
            block(f"{count} mistake{'s' if count > 1 else ''} in the project's files", *map(str, error.mistakes))
            return error.exit_code
        case SyncError():
            block(error.what, error.fix)
            return error.exit_code
        case KlaviyoError():
            block(str(error))
            if isinstance(error, AuthenticationFailed | AuthorizationRefused | PermissionDenied):
                return 6
            return 7 if isinstance(error, RateLimited) else 1
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            block(f"{place}{error.strerror or error}", "check the path, its permissions and the free space")
            return 1
        case UnicodeDecodeError():
            block(f"a file is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8")
            return 1
        case ModuleNotFoundError() if not (error.name or "").startswith("clavichord"):
            block(f"{error.name} is not installed", "pip install 'clavichord[all]'")
            return 1
    raise error


def on_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The process's excepthook: a short message, and the traceback in a file."""
    text = redacted("".join(traceback.format_exception(kind, error, trace)))
    name = f"clavichord-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    for folder in (*_logs, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        except OSError:
            continue
        block(
            f"something unforeseen happened ({kind.__name__}); this is a mistake of clavichord, not yours",
            f"details are in {folder / name}; please report it with them",
        )
        return
    block(f"something unforeseen happened: {kind.__name__}: {error}")
