"""Klaviyo's template language, which is Django's (FACTS §12).

Known: the variables, filters and tags of `filters.FILTERS` and `tags.TAGS`. What is not there is refused as an unknown
filter or tag: a message has no other files that could be extended, included or loaded, and no addresses for `url`; of
Klaviyo's own filters those that FACTS does not name. What day it is goes by the account's time zone; a date that is
read keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from clavichord.sandbox.rendering.scope import Scope, Surroundings, TemplateError, Withheld
from clavichord.sandbox.rendering.syntax import Node, Parser
from clavichord.sandbox.rendering.tags import TAGS

__all__ = ["Surroundings", "TemplateError", "Withheld", "render"]


def render(source: str, context: Mapping[str, Any], around: Surroundings | None = None, *, escape: bool = True) -> str:
    """The text with `context` put in. `escape`: for HTML; plain text is written as it is (inferred).

    Raises TemplateError for a template that cannot be parsed or rendered, Withheld if the message must not be sent.
    """
    if "{" not in source:
        return source
    try:
        return _parsed(source)(Scope([dict(context)], around or Surroundings(), escape))
    except RecursionError:
        raise TemplateError("The template or its context is nested too deeply.") from None


@lru_cache(maxsize=16)
def _parsed(source: str) -> Node:
    """A send renders the same few templates over and over."""
    return Parser(source, TAGS).parse()
