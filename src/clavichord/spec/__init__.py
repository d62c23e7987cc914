"""What Klaviyo's API is, as data: `load()` gives the catalogue of one revision."""

from clavichord.spec.catalogue import REVISION, REVISIONS, Catalogue, load
from clavichord.spec.types import (
    Caps,
    FilterRule,
    Kind,
    Limit,
    Operation,
    PageSize,
    Relation,
    ResourceType,
)

__all__ = [
    "REVISION",
    "REVISIONS",
    "Caps",
    "Catalogue",
    "FilterRule",
    "Kind",
    "Limit",
    "Operation",
    "PageSize",
    "Relation",
    "ResourceType",
    "load",
]
