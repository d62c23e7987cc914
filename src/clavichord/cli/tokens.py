"""Where a project keeps the tokens of its logins: encrypted, in its state; the key elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from clavichord.cli.failures import keep_secret
from clavichord.client.tokens import SQLiteTokens

KEY_VARIABLE = "CLAVICHORD_TOKEN_KEY"


def tokens(state: Path) -> SQLiteTokens:
    """The key is CLAVICHORD_TOKEN_KEY, or stands in the user's configuration folder, where it is made if need be.

    A copy of the project's folder alone shows no token.
    """
    given = os.environ.get(KEY_VARIABLE, "").strip()
    keep_secret(given)
    return SQLiteTokens(state / "tokens.db", key=given or None, key_file=None if given else key_file())


def key_file() -> Path:
    configuration = os.environ.get("XDG_CONFIG_HOME")
    return (Path(configuration) if configuration else Path.home() / ".config") / "clavichord" / "token.key"
