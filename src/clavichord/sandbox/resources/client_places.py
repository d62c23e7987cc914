"""Geofences and the addresses that Klaviyo calls from: public, and nothing in the API changes them (FACTS §11.1)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.documents import Resource

_EGRESS = "integration-egress"


def get_client_geofences(call: Call) -> Answer:
    """They come from a seed; the API reads them only."""
    return crud.pages(call, crud.source(call, "geofence"))


def get_client_ip_allowlist(call: Call) -> Answer:
    if call.id != _EGRESS:
        raise generic.missing("ip-allowlist", call.id)
    return call.engine.documents.one(call, Resource("ip-allowlist", _EGRESS, msgspec.json.encode(inferred.EGRESS)))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_client_geofences": get_client_geofences,
    "get_client_ip_allowlist": get_client_ip_allowlist,
}
