"""Every guess about Klaviyo's behaviour that this sandbox makes, in one place: what is not here or in the catalogue is
recorded, specified or documented. FACTS §16 lists the open questions; an answer from a live account changes this file.
"""

from __future__ import annotations

from typing import Final

IDENTITY_ORDER: Final = ("email", "phone_number", "external_id", "anonymous_id")
"""After an explicit id, the identifier that decides which profile is meant (FACTS §6.5, §16.7)."""

MIN_EVENT_YEAR: Final = 1990
"""The spec's text says 1990, a documentation table 2000 (FACTS §8.1): the wider one."""

EVENT_ORDER: Final = "-v.at"
"""Newest first where no sort is asked for."""

MAX_EVENT_PROPERTIES: Final = 400
MAX_ARRAY: Final = 4000
MAX_DEPTH: Final = 10
MAX_STRING: Final = 100_000

DISCARDED_DOMAINS: Final = ("example.com", "test.com")
"""Documented for events (FACTS §8.1); applied to nothing else."""

ACCOUNT_OPT_IN: Final = "double_opt_in"
"""The process for a subscription without a list; the recording account behaved so (FACTS §7.2)."""

OPT_IN_METHOD: Final = "API"
LIFTED_BY_SUBSCRIBING: Final = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")
"""Hard bounces and invalid addresses stay suppressed (FACTS §7.2)."""

ALSO_ACCEPTED: Final = {"profile": ("anonymous_id",)}
"""Attributes that left the spec but not the wire (FACTS §2: anonymous_id until 2026-01-15)."""

# Texts that nobody has recorded yet, with the status of the neighbouring recorded case.
NOT_AUTHENTICATED: Final = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
REVISION_MISSING: Final = "A revision header is required, for example 'revision: {current}'."
REVISION_MALFORMED: Final = "'{given}' is not a valid revision; use YYYY-MM-DD."
REVISION_UNKNOWN: Final = "'{given}' is not an existing revision; the newest one served here is {current}."
REVISION_TOO_OLD: Final = "Revision '{given}' is before the earliest available; use {first} or later."
SCOPE_MISSING: Final = "Your API key is missing the required scope: {scopes}."
PAGE_SIZE: Final = "Page size must be an integer between {min} and {max}."
CURSOR: Final = "Invalid cursor."
SORT: Final = "'{given}' is not an allowed sort parameter.  Allowed parameters are {allowed}"
FIELD: Final = "'{given}' is not a valid field for the resource '{type}'."
FILTER_SYNTAX: Final = "Invalid filter: {problem} at position {position}."
FILTER_FIELD: Final = "'{given}' is not an allowed filter field.  Allowed fields are {allowed}"
FILTER_VALUE: Final = "{given} is not a valid value for '{field}': {expected} is expected."
REQUIRED: Final = "'{name}' is a required field."
WRONG_TYPE: Final = "'{name}' must be {expected}."
CHOICE: Final = "'{given}' is not a valid choice for '{name}'."
IDENTIFIER: Final = "A profile must have at least one identifier: id, email, phone_number or external_id."
NO_JSON: Final = "The body is not valid JSON: {problem}."
TOO_LARGE: Final = "The body has {size} bytes; this operation takes at most {max}."
TOO_MANY: Final = "{given} entries were sent; this operation takes at most {max} in one request."
ITEM_TOO_LARGE: Final = "The entry has {size} bytes; at most {max} are allowed."
REPEATED_UNIQUE_ID: Final = "unique_id '{given}' occurs more than once for the same profile and metric in this request."
CONSENTED_AT: Final = "The profile does not have a valid consented_at timestamp."
"""`…does not have a valid consented_at timestamp` is known, what comes before it is not (FACTS §7.2)."""
CONSENTED_AT_ALONE: Final = "'consented_at' is only allowed when 'historical_import' is true."
"""Known to be a 400, wording unknown (FACTS §7.2)."""

SELF_ONLY_BY_ANALOGY: Final = frozenset(
    {
        "get_list_for_bulk_import_profiles_job",
        "get_flows_triggered_by_list",
        "get_flows_triggered_by_metric",
        "get_ids_for_flows_triggered_by_metric",
        "get_push_tokens_for_profile",
    }
)
"""Collections without next/prev, like a recorded sibling (LIVE #2)."""
