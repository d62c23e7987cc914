"""Images: uploaded, or taken from a URL, which is fetched if it is on this machine (FACTS §9.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from clavichord.sandbox import crud, fetching, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.resources.web_feeds import is_url

_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}
_SUFFIXES = {"png": "png", "gif": "gif", "jpg": "jpeg", "jpeg": "jpeg"}
MAX_BYTES = 5_000_000
_FROM_URL = "/data/attributes/import_from_url"

IMAGE = crud.declare(
    Kind(
        type="image",
        attributes={"name": "", "image_url": "", "format": "", "size": 0, "hidden": False, "updated_at": ""},
        new_id=lambda call: call.engine.ids.number(9),
        created="",
        updated="updated_at",
    )
)


class _Picture(NamedTuple):
    """What is known about an image's content."""

    name: str
    format: str
    size: int


def upload_image_from_url(call: Call) -> Answer:
    given = call.data["attributes"]
    url = given["import_from_url"]
    picture = _fetched(url) if fetching.is_near(url) else _from_afar(url)
    return _store(call, picture, given.get("name"), bool(given.get("hidden")))


def _fetched(url: str) -> _Picture:
    try:
        content = fetching.fetch(url, MAX_BYTES)
    except fetching.Unreachable:
        raise _unfetchable() from None
    found = _format(content)
    if not found:
        raise _unfetchable()
    return _Picture("image" if url.startswith("data:") else _stem(url), found, len(content))


def _from_afar(url: str) -> _Picture:
    """The sandbox asks no other machine: an address with a host counts as an image that is there (inferred)."""
    if not is_url(url):
        raise _unfetchable()
    suffix = unquote(urlsplit(url).path).rpartition(".")[2]
    return _Picture(_stem(url), _SUFFIXES.get(suffix.lower(), "jpeg"), inferred.UNFETCHED_IMAGE_SIZE)


def _stem(url: str) -> str:
    """The name of the file, without its suffix."""
    stem, _, suffix = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")
    return stem or suffix or "image"


def _unfetchable() -> Refusal:
    return invalid("Unable to fetch the URL you entered.", pointer=_FROM_URL)


def _format(content: bytes) -> str:
    return next((name for magic, name in _MAGIC.items() if content.startswith(magic)), "")


def upload_image_from_file(call: Call) -> Answer:
    """`call.data`: the fields of the form."""
    file = call.data.get("file")
    if file is None:
        raise invalid(inferred.REQUIRED.format(name="file"), pointer="/data/attributes/file")
    found = _format(file.content)
    if not found:
        raise invalid(inferred.NO_IMAGE, pointer="/data/attributes/file")
    texts = {name: part.content.decode("utf-8", "replace") for name, part in call.data.items() if name != "file"}
    stem, _, suffix = file.filename.rpartition(".")
    hidden = texts.get("hidden", "").strip().lower() in ("true", "1")
    return _store(call, _Picture(stem or suffix or "image", found, len(file.content)), texts.get("name"), hidden)


def _store(call: Call, picture: _Picture, name: str | None, hidden: bool) -> Answer:
    image_id = IMAGE.new_id(call)
    attributes: dict[str, Any] = {
        "name": name or picture.name,
        "image_url": inferred.IMAGE_URL.format(call.account, call.engine.ids.uuid(), picture.format),
        "format": picture.format,
        "size": picture.size,
        "hidden": hidden,
        "updated_at": seconds(call.now // SECOND),
    }
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "image", image_id, attributes, call.now)
    return crud.show(call, "image", image_id, attributes | {"updated_at": micros(call.now)})


def get_images(call: Call) -> Answer:
    """Hidden ones only if they are asked for."""
    asked = any(condition.field == "hidden" for condition in call.query.conditions)
    hidden = "" if asked else " AND NOT json_extract(r.attributes, '$.hidden')"
    return crud.pages(call, crud.source(call, "image", where=hidden))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_images": get_images,
    "upload_image_from_url": upload_image_from_url,
    "upload_image_from_file": upload_image_from_file,
    "get_image": crud.item,
    "update_image": crud.update(IMAGE),
}
