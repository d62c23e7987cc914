"""The built-in seed: a shop of coffee with people, consent, a catalog and a year of orders. The same in every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

_END = datetime(2026, 10, 1, 12, tzinfo=UTC)
_PEOPLE = 200
_FIRST = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gia",
    "Hugo",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Mia",
    "Nils",
    "Ola",
    "Pia",
    "Quinn",
    "Rosa",
    "Sam",
    "Tess",
)
_LAST = (
    "Adler",
    "Berg",
    "Costa",
    "Diaz",
    "Engel",
    "Ford",
    "Gruber",
    "Hall",
    "Ito",
    "Jensen",
    "Klein",
    "Lund",
    "Moreau",
    "Novak",
    "Olsen",
    "Park",
)
_CITIES = (
    ("Boston", "MA", "United States", "America/New_York"),
    ("Denver", "CO", "United States", "America/Denver"),
    ("London", "England", "United Kingdom", "Europe/London"),
    ("Berlin", "Berlin", "Germany", "Europe/Berlin"),
    ("Lyon", "Auvergne-Rhône-Alpes", "France", "Europe/Paris"),
)
_GOODS = (
    ("espresso", "Espresso Blend", 14.0, "beans"),
    ("filter", "Filter Roast", 13.5, "beans"),
    ("decaf", "Swiss Water Decaf", 15.0, "beans"),
    ("kenya", "Kenya Nyeri", 19.0, "beans"),
    ("dripper", "Ceramic Dripper", 24.0, "gear"),
    ("grinder", "Hand Grinder", 89.0, "gear"),
    ("kettle", "Gooseneck Kettle", 64.0, "gear"),
    ("scale", "Brewing Scale", 39.0, "gear"),
    ("mug", "Stoneware Mug", 18.0, "home"),
    ("tote", "Canvas Tote", 12.0, "home"),
)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def document() -> dict[str, Any]:
    """A seed as `seeds.parsed` takes it; the account is that of the key pk_demo."""
    dice = Random(2026)
    people = [_person(dice, number) for number in range(_PEOPLE)]
    people.sort(key=lambda person: person["at"])
    events = [event for person in people for event in _story(dice, person)]
    events.sort(key=lambda event: event["time"])
    account = {
        "key": "pk_demo",
        "attributes": {"timezone": "America/New_York", "industry": "Food and Drink"},
        "lists": [
            {"name": "Newsletter", "opt_in_process": "single_opt_in"},
            {"name": "SMS Club", "opt_in_process": "double_opt_in"},
            {"name": "Wholesale", "opt_in_process": "single_opt_in"},
        ],
        "profiles": people,
        "events": events,
        "create": {"catalog-category": _categories(), "catalog-item": _items(), "tag": [{"name": "Autumn"}]},
    }
    return {"accounts": [account]}


def _person(dice: Random, number: int) -> dict[str, Any]:
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    city, region, country, zone = dice.choice(_CITIES)
    fate = dice.random()
    person: dict[str, Any] = {
        "email": f"{first}.{last}.{number}@coffee.test".lower(),
        "external_id": f"customer-{number:04}",
        "first_name": first,
        "last_name": last,
        "location": {"city": city, "region": region, "country": country, "timezone": zone},
        "properties": {"Favorite Roast": dice.choice(("light", "medium", "dark")), "Accepts Marketing": fate < 0.7},
        "at": _iso(_END - timedelta(days=dice.randrange(20, 365), minutes=dice.randrange(1440))),
        "lists": [],
    }
    if fate < 0.7:
        person |= {"consent": {"email": "SUBSCRIBED"}, "lists": ["Newsletter"]}
    elif fate < 0.8:
        person["consent"] = {"email": "UNSUBSCRIBED"}
    elif fate < 0.84:
        person["suppressed"] = True
    if dice.random() < 0.3:
        person["phone_number"] = f"+1617555{number:04}"
    if dice.random() < 0.08:
        person["lists"] = [*person["lists"], "Wholesale"]
    return person


def _story(dice: Random, person: dict[str, Any]) -> list[dict[str, Any]]:
    """What somebody looked at, put into the cart and bought."""
    at = datetime.fromisoformat(person["at"])
    who = {"email": person["email"]}
    found: list[dict[str, Any]] = []
    for visit in range(dice.randrange(1, 7)):
        at += timedelta(days=dice.randrange(1, 40), minutes=dice.randrange(1440))
        if at >= _END:
            break
        slug, title, price, kind = dice.choice(_GOODS)
        goods = {"ProductID": slug, "ProductName": title, "Price": price, "Categories": [kind]}
        mark = f"{person['external_id']}-{visit}"
        found.append(
            who | {"metric": "Viewed Product", "time": _iso(at), "unique_id": f"v-{mark}", "properties": goods}
        )
        if dice.random() < 0.55:
            at += timedelta(minutes=4)
            cart = {"metric": "Added to Cart", "time": _iso(at), "unique_id": f"c-{mark}", "value": price}
            found.append(who | cart | {"properties": goods})
            if dice.random() < 0.65:
                at += timedelta(minutes=7)
                count = dice.randrange(1, 4)
                order = {"OrderId": f"o-{mark}", "Items": [title] * count, "ItemCount": count}
                total = {"value": round(price * count, 2), "value_currency": "USD", "unique_id": f"o-{mark}"}
                found.append(who | {"metric": "Placed Order", "time": _iso(at), "properties": order} | total)
    return found


def _categories() -> list[dict[str, Any]]:
    names = {"beans": "Beans", "gear": "Brewing gear", "home": "For the home"}
    return [{"external_id": slug, "name": name, "as": slug} for slug, name in names.items()]


def _items() -> list[dict[str, Any]]:
    return [
        {
            "external_id": slug,
            "title": title,
            "description": f"{title}, from our roastery.",
            "url": f"https://coffee.test/{slug}",
            "price": price,
            "relationships": {"categories": {"data": [{"type": "catalog-category", "id": f"${kind}"}]}},
        }
        for slug, title, price, kind in _GOODS
    ]
