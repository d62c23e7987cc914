"""Addresses and telephone numbers, by Klaviyo's rules. Costs 2 to 100 µs a value: used for changed rows only."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneNumberFormat

MAX_EMAIL = 100
"""characters (FACTS §6.1)"""
DISCARDED_DOMAINS = frozenset({"example.com", "test.com"})
"""answered 202 and thrown away (FACTS §8.1, §13.6); subdomains too is `inferred`"""
REGIONS = frozenset(region for regions in COUNTRY_CODE_TO_REGION_CODE.values() for region in regions)

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_EMAIL = re.compile(
    rf"{_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.)+[a-z][a-z0-9-]{{0,61}}[a-z]", re.ASCII
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class BadValue(ValueError):
    """`code` names the reason (clavichord.sync.reasons), `detail` what is wrong with this value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def email(text: str) -> str:
    """`text` trimmed and in lower case. Raises BadValue."""
    return check_email(text.strip().lower())


def check_email(text: str) -> str:
    """`text` unchanged if Klaviyo would take and keep it. Raises BadValue."""
    folded = text.lower()
    if len(text) > MAX_EMAIL:
        raise BadValue("email.invalid", f"longer than {MAX_EMAIL} characters")
    local, at, domain = folded.rpartition("@")
    if not (_PLAIN_EMAIL.fullmatch(folded) and len(local) <= 64):
        if not at:
            raise BadValue("email.invalid", "no @ in it")
        if re.search(r"\s", text):
            raise BadValue("email.invalid", "a space in it")
        if "." not in domain:
            raise BadValue("email.invalid", "no dot in the domain")
        try:
            # Domains that are reserved for tests are well-formed: a sandbox needs them.
            validate_email(text, check_deliverability=False, globally_deliverable=False)
        except EmailNotValidError as error:
            raise BadValue("email.invalid", str(error).rstrip(".")) from None
    if any(domain == bad or domain.endswith("." + bad) for bad in DISCARDED_DOMAINS):
        raise BadValue("email.discarded", f"Klaviyo throws addresses @{domain} away")
    return text


@lru_cache(maxsize=65_536)
def phone(number: str, country: str | None) -> str:
    """E.164 of `number`, read as one of `country` (ISO 3166 alpha-2) unless it begins with +. Raises BadValue."""
    text = number.strip()
    region = (country or "").strip().upper() or None
    if region == "UK":
        region = "GB"
    if text.startswith("00"):
        text = "+" + text[2:]
    if not text.startswith("+"):
        if region is None:
            raise BadValue("phone.country", "neither an international prefix nor a country")
        if region not in REGIONS:
            raise BadValue("phone.country", f'"{(country or "").strip()[:20]}" is not a two-letter country')
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise BadValue("phone.invalid", str(error).partition(") ")[2].rstrip(".") or "not a telephone number") from None
    if not phonenumbers.is_valid_number(parsed):
        where = f" in {region}" if region and not text.startswith("+") else ""
        raise BadValue("phone.invalid", f"no such number{where}")
    return str(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def check_phone(text: str) -> str:
    """`text` unchanged if it is E.164. Raises BadValue."""
    if not _E164.fullmatch(text):
        raise BadValue("phone.invalid", "not in the form +33612345678")
    return text
