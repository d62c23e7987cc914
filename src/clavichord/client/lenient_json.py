"""JSON as it comes: what the fast decoder refuses and the standard library's reads is taken as well.

That is broken UTF-8 (replaced), lone surrogates, control characters in strings, NaN, and numbers beyond a double.
"""

from __future__ import annotations

from typing import Any

import msgspec

REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""what msgspec's decoders raise"""


def loads(text: bytes | msgspec.Raw) -> Any:
    """The value of a JSON text. ValueError if it is none."""
    try:
        return msgspec.json.decode(text)
    except REFUSED:
        pass
    import json

    try:
        return json.loads(bytes(text).decode("utf-8", "replace"), strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
