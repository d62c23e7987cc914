"""The tags that Klaviyo adds to Django's (FACTS §12.1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from clavichord.sandbox import inferred
from clavichord.sandbox.rendering import dates
from clavichord.sandbox.rendering.scope import Scope, TemplateError, Withheld
from clavichord.sandbox.rendering.syntax import Node, Parser, Tag, Token, Value, operand
from clavichord.sandbox.rendering.values import number, text


def _anchor(kind: str, words: str) -> Tag:
    """`{% unsubscribe %}` or `{% unsubscribe 'Leave us' %}`"""

    def tag(parser: Parser, token: Token) -> Node:
        label = _only(token)

        def write(scope: Scope) -> str:
            shown = text(label(scope)) if label else words
            return f'<a href="{scope.around.link(kind)}">{shown}</a>' if scope.escape else scope.around.link(kind)

        return write

    return tag


def _address(kind: str) -> Tag:
    def tag(parser: Parser, token: Token) -> Node:
        if len(token.words()) > 1:
            raise TemplateError(f"'{token.words()[0]}' takes no arguments")
        return lambda scope: scope.around.link(kind)

    return tag


def _only(token: Token) -> Value | None:
    """The one argument that a tag may have. TemplateError."""
    words = token.words()
    if len(words) > 2:
        raise TemplateError(f"'{words[0]}' takes at most 1 argument, {len(words) - 1} provided")
    return operand(words[1]) if len(words) == 2 else None


def _needed(token: Token) -> Value:
    value = _only(token)
    if value is None:
        raise TemplateError(f"'{token.words()[0]}' takes 1 argument, 0 provided")
    return value


def _currency_format(parser: Parser, token: Token) -> Node:
    value = _needed(token)

    def write(scope: Scope) -> str:
        try:
            amount = Decimal(str(number(value(scope)))).quantize(Decimal("0.01"), ROUND_HALF_UP)
        except (TypeError, ValueError, ArithmeticError):
            return ""
        sign = inferred.CURRENCY_SIGNS.get(scope.around.currency, scope.around.currency + " ")
        return f"{'-' if amount < 0 else ''}{sign}{abs(amount):,f}"

    return write


def _coupon_code(parser: Parser, token: Token) -> Node:
    name = _needed(token)
    return lambda scope: scope.around.coupon(text(name(scope)))


def _today(parser: Parser, token: Token) -> Node:
    """With `%` in it the format is strftime's, otherwise Django's; `as name` keeps the result."""
    words = token.words()
    if len(words) not in (2, 4) or (len(words) == 4 and words[2] != "as"):
        raise TemplateError("'today' takes a format, and a name after 'as'")
    form = operand(words[1])

    def write(scope: Scope) -> str:
        style = text(form(scope))
        moment = dates.instant(scope.around.now, scope.around.zone)
        result = moment.strftime(style) if "%" in style else dates.written(moment, style)
        if len(words) == 2:
            return result
        scope.layers[-1][words[3]] = result
        return ""

    return write


def _catalog(parser: Parser, token: Token) -> Node:
    words = token.words()[1:]
    item_id: Value | None = None
    options: dict[str, Value] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name in ("integration", "unpublished"):
            options[name] = operand(value)
        elif item_id is None:
            item_id = operand(word)
        else:
            raise TemplateError(f"'catalog' received an invalid token: '{word}'")
    if item_id is None:
        raise TemplateError("'catalog' takes the id of an item")
    wanted = item_id
    body, _ = parser.until(("endcatalog",))

    def write(scope: Scope) -> str:
        item = scope.around.catalog_item(text(wanted(scope)))
        cancel = "unpublished" in options and options["unpublished"](scope) == "cancel"
        if cancel and (item is None or not item.get("published", True)):
            raise Withheld("Catalog Item Unavailable")
        if item is None:
            return ""
        with scope.layer(catalog_item=item, item=item):
            return body(scope)

    return write


def _date_part(form: str) -> Tag:
    def tag(parser: Parser, token: Token) -> Node:
        return lambda scope: dates.written(dates.instant(scope.around.now, scope.around.zone), form)

    return tag


KLAVIYO_TAGS: Mapping[str, Tag] = {
    "unsubscribe": _anchor("unsubscribe", "Unsubscribe"),
    "manage_preferences": _anchor("manage_preferences", "Manage Preferences"),
    "web_view": _anchor("view_in_browser", "View in browser"),
    "view_in_browser": _anchor("view_in_browser", "View in browser"),
    "unsubscribe_link": _address("unsubscribe"),
    "unsubscribe_url": _address("unsubscribe"),
    "manage_preferences_link": _address("manage_preferences"),
    "manage_preferences_url": _address("manage_preferences"),
    "web_view_link": _address("view_in_browser"),
    "view_in_browser_link": _address("view_in_browser"),
    "currency_format": _currency_format,
    "coupon_code": _coupon_code,
    "catalog": _catalog,
    "today": _today,
    "current_day": _date_part("j"),
    "current_weekday": _date_part("l"),
    "current_month": _date_part("n"),
    "current_month_name": _date_part("F"),
    "current_year": _date_part("Y"),
}
