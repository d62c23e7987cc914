"""Where the project is, found without reading it (which takes all that its files may need)."""

from __future__ import annotations

from pathlib import Path

NAME = "clavichord.yaml"
A_KEY = ("pk_…", "a private key: Klaviyo > Settings > API keys")
"""what an example of a key looks like, and what it is"""


def around_here() -> Path | None:
    """The project file of the working directory or of the nearest folder above it."""
    here = Path.cwd()
    return next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
