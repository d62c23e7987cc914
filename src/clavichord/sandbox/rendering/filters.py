"""Filters of variables: Django's, and those that Klaviyo adds (FACTS §12.1)."""

from __future__ import annotations

import base64
import json
import math
import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import wraps
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from clavichord.sandbox import inferred
from clavichord.sandbox.rendering import dates
from clavichord.sandbox.rendering.scope import Safe, Scope, TemplateError
from clavichord.sandbox.rendering.values import MISSING, escaped, lookup, number, text


class Filter(NamedTuple):
    """How a filter is called."""

    call: Callable[..., Any]
    """(scope, value) or (scope, value, argument)"""
    arguments: tuple[int, ...]
    """how many it takes: 0, 1, or either"""
    keeps_safe: bool
    """what was marked safe stays so"""


FILTERS: dict[str, Filter] = {}
_WIDEST = 1000
_TAG = re.compile(r"<[^<>]*>")


def _filter(*names: str, arguments: tuple[int, ...] = (0,), safe: bool = False) -> Callable[[Any], Any]:
    """Registers a function of (scope, value[, argument])."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            FILTERS[name] = Filter(function, arguments, safe)
        return function

    return register


def _of_text(*names: str, arguments: tuple[int, ...] = (0,), safe: bool = True) -> Callable[[Any], Any]:
    """Registers a function of (text[, argument])."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(scope: Scope, value: Any, *given: Any) -> Any:
            return function(text(value), *given)

        _filter(*names, arguments=arguments, safe=safe)(call)
        return function

    return register


_of_text("lower", "downcase")(str.lower)
_of_text("upper", "upcase", safe=False)(str.upper)
_of_text("capfirst", "capitalize")(lambda value: value[:1].upper() + value[1:])
_of_text("title")(lambda value: re.sub(r"([a-z])'([A-Z])", lambda m: m[0].lower(), value.title()))
_of_text("strip")(str.strip)
_of_text("lstrip")(str.lstrip)
_of_text("rstrip")(str.rstrip)
_of_text("trim_slash")(lambda value: value.rstrip("/"))
_of_text("wordcount", safe=False)(lambda value: len(value.split()))
_of_text("make_list", safe=False)(list)
_of_text("striptags", "strip_html", safe=False)(lambda value: unescape(_TAG.sub("", value)) if "<" in value else value)
_of_text("addslashes")(lambda value: value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'"))
_of_text("url_decode", safe=False)(unquote)
_of_text("base64_encode", safe=False)(lambda value: base64.b64encode(value.encode()).decode())
_of_text("base64_url_safe_encode", safe=False)(lambda value: base64.urlsafe_b64encode(value.encode()).decode())
_of_text("append", "concat", arguments=(1,), safe=False)(lambda value, given: value + text(given))
_of_text("prepend", arguments=(1,), safe=False)(lambda value, given: text(given) + value)
_of_text("cut", "remove", arguments=(1,), safe=False)(lambda value, given: value.replace(text(given), ""))
_of_text("split", arguments=(0, 1), safe=False)(lambda value, by=" ": value.split(text(by) or None))
_of_text("urlencode", "url_encode", arguments=(0, 1), safe=False)(lambda value, keep="/": quote(value, safe=text(keep)))


@_of_text("base64_decode", "base64_url_safe_decode", safe=False)
def _base64_decode(value: str) -> str:
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both
        raise TemplateError("The value is not Base64.") from None


@_of_text("slugify")
def _slugify(value: str) -> str:
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain.lower())).strip("-_")


def _whole(given: Any) -> int | None:
    try:
        return int(number(given))
    except (ValueError, TypeError, OverflowError):
        return None


@_of_text("truncatechars", arguments=(1,))
def _truncatechars(value: str, given: Any) -> str:
    length = _whole(given)
    return value if length is None or len(value) <= length else value[: max(length - 1, 0)] + "…"


@_of_text("truncatewords", arguments=(1,))
def _truncatewords(value: str, given: Any) -> str:
    count, words = _whole(given), value.split()
    if count is None:
        return value
    return " ".join(words) if len(words) <= count else " ".join(words[: max(count, 0)]) + " …"


def _width(given: Any) -> int:
    return min(max(_whole(given) or 0, 0), _WIDEST)


_of_text("center", arguments=(1,))(lambda value, given: value.center(_width(given)))
_of_text("ljust", arguments=(1,))(lambda value, given: value.ljust(_width(given)))
_of_text("rjust", arguments=(1,))(lambda value, given: value.rjust(_width(given)))


@_filter("escape", "force_escape")
def _escape(scope: Scope, value: Any) -> Safe:
    return escaped(value)


@_filter("safe")
def _safe(scope: Scope, value: Any) -> Safe:
    return Safe(text(value))


@_filter("escapejs")
def _escapejs(scope: Scope, value: Any) -> Safe:
    risky = "\\'\"<>&=-;`\u2028\u2029"
    return Safe("".join(f"\\u{ord(c):04X}" if c in risky or ord(c) < 32 else c for c in text(value)))


@_filter("linebreaksbr", "newline_to_br")
def _linebreaksbr(scope: Scope, value: Any) -> Safe:
    return Safe(_markup(scope, value).replace("\n", "<br>"))


@_filter("linebreaks")
def _linebreaks(scope: Scope, value: Any) -> Safe:
    paragraphs = re.split(r"\n{2,}", _markup(scope, value))
    return Safe("\n\n".join("<p>" + one.replace("\n", "<br>") + "</p>" for one in paragraphs))


def _markup(scope: Scope, value: Any) -> str:
    plain = escaped(value) if scope.escape else text(value)
    return re.sub(r"\r\n|\r", "\n", plain)


@_filter("default", arguments=(1,))
def _default(scope: Scope, value: Any, other: Any) -> Any:
    return value or other


@_filter("default_if_none", arguments=(1,))
def _default_if_none(scope: Scope, value: Any, other: Any) -> Any:
    return other if value is None else value


@_filter("lookup", arguments=(1,))
def _lookup(scope: Scope, value: Any, key: Any) -> Any:
    """None is written as `None` (FACTS §12.1)."""
    if isinstance(value, Mapping):
        return value.get(text(key))
    found = lookup(value, text(key)) if isinstance(value, list | tuple) else MISSING
    return None if found is MISSING else found


@_filter("length", "size", "count")
def _length(scope: Scope, value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple | dict) else 0


@_filter("length_is", arguments=(1,))
def _length_is(scope: Scope, value: Any, given: Any) -> bool:
    return bool(_length(scope, value) == _whole(given))


@_filter("first")
def _first(scope: Scope, value: Any) -> Any:
    return value[0] if isinstance(value, str | list | tuple) and value else ""


@_filter("last")
def _last(scope: Scope, value: Any) -> Any:
    return value[-1] if isinstance(value, str | list | tuple) and value else ""


@_filter("random")
def _random(scope: Scope, value: Any) -> Any:
    return random.choice(value) if isinstance(value, str | list | tuple) and value else ""


@_filter("join", arguments=(1,))
def _join(scope: Scope, value: Any, by: Any) -> Any:
    if not isinstance(value, str | list | tuple | dict):
        return value
    if not scope.escape:
        return text(by).join(map(text, value))
    return Safe(escaped(by).join(escaped(one) for one in value))


@_filter("slice", arguments=(1,), safe=True)
def _slice(scope: Scope, value: Any, given: Any) -> Any:
    parts = [_whole(part) if part else None for part in text(given).split(":")]
    if not isinstance(value, str | list | tuple) or len(parts) > 3 or parts[2:] == [0]:
        return value
    return value[slice(*parts)]


def _sorter(descending: bool) -> Callable[[Scope, Any, Any], Any]:
    def by(scope: Scope, value: Any, key: Any) -> Any:
        try:
            return sorted(value, key=lambda one: lookup(one, text(key)), reverse=descending)
        except TypeError:  # what cannot be sorted is nothing, as in Django
            return ""

    return by


_filter("dictsort", arguments=(1,))(_sorter(False))
_filter("dictsortreversed", arguments=(1,))(_sorter(True))


@_filter("yesno", arguments=(0, 1))
def _yesno(scope: Scope, value: Any, given: Any = "yes,no,maybe") -> Any:
    words = text(given).split(",")
    if len(words) < 2:
        return value
    return words[0] if value else words[2] if value is None and len(words) > 2 else words[1]


@_filter("pluralize", arguments=(0, 1))
def _pluralize(scope: Scope, value: Any, given: Any = "s") -> str:
    words = text(given).split(",")
    one, many = ("", words[0]) if len(words) == 1 else (words[0], words[1])
    amount = len(value) if isinstance(value, list | tuple | dict) else _whole(value)
    return "" if len(words) > 2 or amount is None else one if amount == 1 else many


@_filter("divisibleby", arguments=(1,))
def _divisibleby(scope: Scope, value: Any, given: Any) -> bool:
    dividend, divisor = _whole(value), _whole(given)
    if dividend is None or not divisor:
        raise TemplateError("'divisibleby' needs two numbers, the second of which is not 0.")
    return dividend % divisor == 0


@_filter("add", arguments=(1,))
def _add(scope: Scope, value: Any, given: Any) -> Any:
    """Whole numbers; decimals are cut off. Other things are put together."""
    left, right = _whole(value), _whole(given)
    if left is not None and right is not None:
        return left + right
    both_texts = isinstance(value, str) and isinstance(given, str)
    both_lists = isinstance(value, list) and isinstance(given, list)
    return value + given if both_texts or both_lists else ""


def _arithmetic(*names: str) -> Callable[[Callable[[Any, Any], Any]], None]:
    def register(function: Callable[[Any, Any], Any]) -> None:
        def call(scope: Scope, value: Any, given: Any) -> Any:
            try:
                result = function(number(value), number(given))
                return result if abs(result) < 10**30 else ""
            except (TypeError, ValueError, ArithmeticError):
                return ""

        _filter(*names, arguments=(1,))(call)

    return register


_arithmetic("floatadd", "plus")(lambda left, right: left + right)
_arithmetic("floatsub", "minus")(lambda left, right: left - right)
_arithmetic("multiply", "times")(lambda left, right: left * right)
_arithmetic("divide", "divided_by")(lambda left, right: left / right)
_arithmetic("modulo")(lambda left, right: left % right)
_arithmetic("at_least")(max)
_arithmetic("at_most")(min)


def _of_number(*names: str) -> Callable[[Callable[[Any], Any]], None]:
    def register(function: Callable[[Any], Any]) -> None:
        def call(scope: Scope, value: Any) -> Any:
            try:
                return function(number(value))
            except (TypeError, ValueError, ArithmeticError):
                return ""

        _filter(*names)(call)

    return register


_of_number("abs")(abs)
_of_number("ceil")(math.ceil)
_of_number("floor")(math.floor)


@_filter("floatformat", arguments=(0, 1))
def _floatformat(scope: Scope, value: Any, given: Any = -1) -> str:
    """Decimal places; a negative number leaves them out where they are zeros; the suffix `g` groups thousands."""
    wish = text(given)
    grouped = wish.endswith("g")
    places = _whole(wish.rstrip("gu"))
    try:
        amount = Decimal(text(value) if not isinstance(value, bool) else str(int(value)))
        if places is None:
            return text(value)
        if places < 0 and amount == amount.to_integral_value():
            places = 0
        rounded = amount.quantize(Decimal(1).scaleb(-min(abs(places), 200)), ROUND_HALF_UP)
    except (InvalidOperation, ValueError):
        return ""
    return f"{rounded:,f}" if grouped else f"{rounded:f}"


@_filter("intcomma")
def _intcomma(scope: Scope, value: Any) -> str:
    whole, point, rest = text(value).partition(".")
    return f"{int(whole):,d}{point}{rest}" if re.fullmatch(r"-?\d{1,30}", whole) else text(value)


@_filter("stringformat", arguments=(1,))
def _stringformat(scope: Scope, value: Any, given: Any) -> str:
    if re.fullmatch(r"[-+ #0]*\d{0,3}(?:\.\d{1,3})?[diouxXeEfFgGcrsa]", text(given)) is None:
        return ""
    try:
        return ("%" + text(given)) % (text(value) if isinstance(value, list | tuple | dict) else value)
    except (ValueError, TypeError, OverflowError):
        return ""


@_filter("get_digit", arguments=(1,))
def _get_digit(scope: Scope, value: Any, given: Any) -> Any:
    whole, place = _whole(value), _whole(given)
    if whole is None or place is None or place < 1:
        return value
    return int(str(whole)[-place]) if place <= len(str(whole)) else 0


@_filter("json", "to_json")
def _json(scope: Scope, value: Any) -> str:
    return json.dumps(value, default=str)


@_filter("date", "time", arguments=(0, 1))
def _date(scope: Scope, value: Any, given: Any = "DATE_FORMAT") -> str:
    """Nothing for a text: `format_date_string` comes first (FACTS §12.1)."""
    return (
        ""
        if isinstance(value, str) or (moment := dates.read(value, scope.around.zone)) is None
        else dates.written(moment, text(given))
    )


@_filter("format_date_string")
def _format_date_string(scope: Scope, value: Any) -> Any:
    return dates.read(value, scope.around.zone) or ""


@_filter("days_since")
def _days_since(scope: Scope, value: Any) -> Any:
    moment = dates.read(value, scope.around.zone)
    zone = scope.around.zone
    return "" if moment is None else dates.days_between(moment, dates.instant(scope.around.now, zone), zone)


@_filter("days_until")
def _days_until(scope: Scope, value: Any) -> Any:
    moment = dates.read(value, scope.around.zone)
    zone = scope.around.zone
    return "" if moment is None else dates.days_between(dates.instant(scope.around.now, zone), moment, zone)


@_filter("missing_product_image", arguments=(0, 1))
def _missing_product_image(scope: Scope, value: Any, other: Any = inferred.MISSING_PRODUCT_IMAGE) -> Any:
    return value or other


def sequence(value: Any) -> Sequence[Any]:
    """What `{% for %}` walks through. TemplateError."""
    if value is None:
        return ()
    if isinstance(value, str | list | tuple | dict):
        return list(value)
    raise TemplateError(f"'{type(value).__name__}' object is not iterable")
