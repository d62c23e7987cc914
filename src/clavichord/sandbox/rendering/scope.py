"""What a template is rendered with: variables in layers, the world around the message, and a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from clavichord.sandbox import inferred


class TemplateError(Exception):
    """A template that cannot be parsed or rendered; the text is Django's where Django has one."""


class Withheld(Exception):
    """`{% catalog … unpublished='cancel' %}` of an item that is not published: the message is not to be sent."""


class Safe(str):
    """HTML that is not escaped again."""

    __slots__ = ()


class Surroundings:
    """What Klaviyo's own tags ask for. These answers are those of a preview; a send overrides them."""

    now = 0
    """microseconds since 1970"""
    zone: tzinfo = UTC
    """of the account: what day it is depends on it"""
    currency = "USD"

    def link(self, kind: str) -> str:
        """The address behind `unsubscribe`, `manage_preferences` and `view_in_browser`."""
        return inferred.MESSAGE_LINKS[kind].format(account="", profile="", message="")

    def coupon(self, name: str) -> str:
        """A code of the coupon for this recipient."""
        return inferred.PREVIEW_COUPON

    def catalog_item(self, item_id: str) -> Mapping[str, Any] | None:
        """An item of the catalog with `published` and what `{{ catalog_item.… }}` may name; None if there is none."""
        return None


@dataclass
class Scope:
    """One rendering. `escape`: variables are written as HTML; `state`: what tags remember, by node."""

    layers: list[dict[str, Any]]
    around: Surroundings
    escape: bool
    state: dict[Any, Any] = field(default_factory=dict)
    spent: int = 0

    def find(self, name: str) -> Any:
        """KeyError if no layer has it."""
        for layer in reversed(self.layers):
            if name in layer:
                return layer[name]
        raise KeyError(name)

    @contextmanager
    def layer(self, **variables: Any) -> Iterator[dict[str, Any]]:
        added = dict(variables)
        self.layers.append(added)
        try:
            yield added
        finally:
            self.layers.pop()

    def spend(self, amount: int) -> None:
        """Loops in loops must not stop the sandbox. TemplateError."""
        self.spent += amount
        if self.spent > inferred.RENDER_BUDGET:
            raise TemplateError("The template takes too long to render.")
