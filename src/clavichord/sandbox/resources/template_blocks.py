"""What a drag-and-drop definition comes to as HTML: rows as table rows, blocks in their plainest form.

Styles are kept, not drawn. What a feed of recommendations fills (dynamic products and reviews) leaves a comment.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clavichord.sandbox.resources import template_html

Part = Mapping[str, Any]
Universal = Callable[[str], Part | None]


def from_definition(definition: Part, universal: Universal) -> str:
    """One table row for each row of the definition. `universal` finds the definition of universal content by id."""
    body = definition["body"]
    width = (body.get("styles") or {}).get("width") or 600
    sections: list[str] = []
    for section in body.get("sections") or ():
        rows = []
        for row in section.get("rows") or ():
            cells = "".join(f"<td>{''.join(_blocks(column, universal))}</td>" for column in row.get("columns") or ())
            rows.append(f"<tr>{cells}</tr>")
        sections.append(_shown(_data(section), "".join(rows)))
    return template_html.normal(f'<table width="{width}">{"".join(sections)}</table>')


def _blocks(column: Part, universal: Universal) -> Iterator[str]:
    for block in column.get("blocks") or ():
        shared = universal(block["universal_id"]) if block.get("universal_id") else None
        yield block_html({**block, **shared} if shared else block)


def block_html(block: Part) -> str:
    """Of one block of a definition, or of universal content."""
    data = _data(block)
    return _shown(data, _FORMS.get(block.get("type", ""), _content)(block, data, data.get("properties") or {}))


def _data(part: Part) -> Part:
    data = part.get("data")
    return data if isinstance(data, dict) else {}


def _shown(data: Part, markup: str) -> str:
    """Repeated for each item, and only if its check holds; both are said in the template language (inferred)."""
    options = data.get("display_options") or {}
    repeat = options.get("content_repeat") or {}
    if repeat.get("repeat_for"):
        markup = f"{{% for {repeat.get('item_alias') or 'item'} in {repeat['repeat_for']} %}}{markup}{{% endfor %}}"
    check = (options.get("visibility") or {}).get("check") or options.get("visible_check")
    return f"{{% if {check} %}}{markup}{{% endif %}}" if check else markup


def _attribute(value: Any) -> str:
    return html.escape(str(value)) if value is not None else ""


def _linked(href: Any, inner: str) -> str:
    return f'<a href="{_attribute(href)}">{inner}</a>' if href else inner


def _picture(part: Part) -> str:
    return f'<img src="{_attribute(part.get("src"))}" alt="{_attribute(part.get("alt_text"))}">'


def _content(block: Part, data: Part, properties: Part) -> str:
    content = data.get("content")
    return content if isinstance(content, str) else f"<!-- {html.escape(str(block.get('type', '')))} -->"


def _text(block: Part, data: Part, properties: Part) -> str:
    content = data.get("content")
    return f"<div>{content}</div>" if isinstance(content, str) else _content(block, data, properties)


def _button(block: Part, data: Part, properties: Part) -> str:
    return f'<a href="{_attribute(properties.get("href"))}">{data.get("content") or ""}</a>'


def _image(block: Part, data: Part, properties: Part) -> str:
    return _linked(properties.get("href"), _picture(properties))


def _cells(block: Part, data: Part, properties: Part) -> str:
    return "".join(_cell(one) for one in block.get("subblocks") or ())


def _cell(cell: Part) -> str:
    """Of a split or a table: its members stand in the cell itself, in universal content under `data`."""
    if _data(cell):
        return block_html(cell)
    kind, content = str(cell.get("type", "")), cell.get("content")
    if kind.endswith("image"):
        return _linked(cell.get("href"), _picture(cell))
    if not isinstance(content, str):
        return f"<!-- {html.escape(kind)} -->"
    return content if kind.endswith("html") else f"<div>{content}</div>"


def _header(block: Part, data: Part, properties: Part) -> str:
    """The logo and the links beside it."""
    parts = []
    for one in block.get("subblocks") or ():
        inner = str(one.get("content") or "") if one.get("type") == "header_link_bar_button" else _picture(one)
        parts.append(_linked(one.get("href"), inner))
    return "<div>" + " ".join(parts) + "</div>"


def _social(block: Part, data: Part, properties: Part) -> str:
    links = []
    for one in block.get("subblocks") or ():
        if one.get("type") == "social_link_icon":
            label = one.get("label") or one.get("link_type") or ""
            icon = (
                _picture({"src": one["custom_src"], "alt_text": label}) if one.get("custom_src") else _attribute(label)
            )
            links.append(_linked(one.get("link_url"), icon))
    return "<div>" + " ".join(links) + "</div>"


def _coupon(block: Part, data: Part, properties: Part) -> str:
    """Its words and its code, unless the words say the code themselves."""
    content = str(data.get("content") or "")
    name = properties.get("coupon") or properties.get("coupon_id")
    if name and "coupon_code" not in content:
        content += "{% coupon_code '" + str(name).replace("'", "") + "' %}"
    return "<div>" + _linked(properties.get("href"), content) + "</div>"


def _product(block: Part, data: Part, properties: Part) -> str:
    if properties.get("dynamic"):
        return "<!-- product -->"
    return "".join(_one_product(one, properties) for one in block.get("subblocks") or ())


def _one_product(product: Part, properties: Part) -> str:
    """`show_…` leaves parts out, where it says no."""
    link, name = product.get("link") or product.get("url"), product.get("title") or product.get("name") or ""

    def wanted(part: str, value: Any) -> bool:
        return bool(value) and properties.get(f"show_{part}") is not False

    parts = (
        [_linked(link, _picture({"src": product["image_url"], "alt_text": name}))] if product.get("image_url") else []
    )
    if wanted("title", name):
        parts.append(f"<div>{_linked(link, _attribute(name))}</div>")
    for part in ("description", "original_price", "price"):
        if wanted(part, product.get(part)):
            parts.append(f"<div>{_attribute(product[part])}</div>")
    if wanted("button", product.get("button_text")):
        parts.append(_linked(link, _attribute(product["button_text"])))
    return "<div>" + "".join(parts) + "</div>"


def _review(block: Part, data: Part, properties: Part) -> str:
    if properties.get("dynamic"):
        return "<!-- review -->"
    stars = "★" * int(properties.get("stars") or 0) if properties.get("show_rating") is not False else ""
    quote = f"<blockquote>{_attribute(properties.get('quote'))}</blockquote>" if properties.get("quote") else ""
    said = (("reviewer_name", "author"), ("product_name", "product_name"), ("variant_name", "product_variant_name"))
    names = [properties.get(name) for shown, name in said if properties.get(f"show_{shown}") is not False]
    parts = [stars, quote, *(_attribute(name) for name in names if name)]
    return "".join(f"<div>{part}</div>" for part in parts if part)


_FORMS: Mapping[str, Callable[[Part, Part, Part], str]] = {
    "text": _text,
    "button": _button,
    "image": _image,
    "video": _image,
    "split": _cells,
    "table": _cells,
    "header": _header,
    "social": _social,
    "coupon": _coupon,
    "product": _product,
    "review": _review,
    "horizontal_rule": lambda block, data, properties: "<hr>",
    "spacer": lambda block, data, properties: "<div>&nbsp;</div>",
    "drop_shadow": lambda block, data, properties: "<div></div>",
}
