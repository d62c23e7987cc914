"""Why a row was not delivered: code → what happened, why it matters, how to put it right."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    what: str
    why: str
    fix: str


_CORRECT = "Correct it at the source; the row is sent by itself when it changes."

REASONS: dict[str, Reason] = {
    # The row could not be read
    "row.columns": Reason(
        "a line with the wrong number of values",
        "Its values cannot be matched to the columns.",
        "Quote values that hold the delimiter.",
    ),
    "row.quotes": Reason(
        "a line with a broken quote",
        "It is not clear where its values end.",
        'Double a quote inside a quoted value: "a ""b"" c".',
    ),
    "row.encoding": Reason(
        "a line that is not UTF-8",
        "Its text cannot be read.",
        "Save the file as UTF-8, or set `encoding: latin-1` (cp1252, …) under `from`.",
    ),
    "row.too_long": Reason("a line over 10 MB", "It cannot be one record.", "Look for a quote that is never closed."),
    "row.json": Reason("a line that is not a JSON object", "It cannot be read.", "Write one JSON object a line."),
    "row.unreadable": Reason("a line that cannot be read", "", "Correct the line."),
    "type.invalid": Reason(
        "a value that is not of the type given in `types`", "It would be sent as something else.", _CORRECT
    ),
    "expression.failed": Reason(
        "an expression fails on the row",
        "Its value is not known.",
        "Use try_cast(…) where a blank will do, or correct the source.",
    ),
    "key.missing": Reason(
        "no key", "Without it nobody can tell this row from the next one.", "Give every row a value for `from.key`."
    ),
    "key.duplicate": Reason(
        "several rows with one key",
        "Which of them is right cannot be known; none of them was sent.",
        "Make `from.key` unique, or choose one row in a sql model.",
    ),
    # The row's values
    "identifier.missing": Reason(
        "nothing that identifies a person",
        "Klaviyo needs an address, a telephone number or an external_id.",
        "Fill one of them at the source.",
    ),
    "identifier.duplicate": Reason(
        "an identifier that another row has too",
        "Both would write to the same profile, in an order nobody knows.",
        "Keep one row a person, or leave the identifier out of one of them.",
    ),
    "email.invalid": Reason(
        "not an e-mail address",
        "Klaviyo refuses the whole batch when one address is malformed, so it was taken out before sending.",
        _CORRECT,
    ),
    "email.discarded": Reason(
        "an address that Klaviyo throws away",
        "It answers as if all was well and keeps nothing.",
        "Use a real address; for tests a domain such as shop.example.",
    ),
    "phone.invalid": Reason(
        "not a telephone number",
        "Klaviyo refuses the whole batch when one number is malformed.",
        "Correct it, or use phone(number, country).",
    ),
    "phone.country": Reason(
        "a national number without a country",
        "The same digits are another person elsewhere.",
        "phone(number, coalesce(country, 'FR')) with two-letter codes.",
    ),
    "field.blank": Reason("an empty value where `blanks: error` forbids it", "", "Fill it, or use blanks: keep."),
    "field.not_json": Reason(
        "a value that JSON cannot say", "", "Convert it in the expression: x::varchar, try_cast(x as double)."
    ),
    "field.too_long": Reason("a text over 100 kB", "Klaviyo refuses it.", "Shorten it: left(x, 1000)."),
    "field.too_deep": Reason("a value nested more than ten deep", "Klaviyo refuses it.", "Flatten it in a sql model."),
    "profile.too_large": Reason("a profile over 100 kB", "Klaviyo refuses it.", "Map fewer or shorter properties."),
    "event.time": Reason(
        "an event without a usable time",
        "Klaviyo keeps times from 1990 to a year ahead.",
        "Fill the time at the source.",
    ),
    "event.unique_id": Reason(
        "an event without a usable unique_id",
        "Without it a second sending would count twice.",
        "Use unique_id: auto, or an expression that is never empty.",
    ),
    "event.unique_id_taken": Reason(
        "several events with one unique_id for a person",
        "Klaviyo keeps the first and drops the others silently.",
        "Make `unique_id` unique, or use auto.",
    ),
    "event.currency": Reason("not a currency", "Klaviyo takes ISO 4217 codes.", "USD, EUR, …"),
    "event.properties": Reason("too many properties", "Klaviyo keeps 400 an event.", "Map fewer."),
    "event.too_large": Reason("an event over 5 MB", "Klaviyo refuses it.", "Map less."),
    "catalog.incomplete": Reason("a field that Klaviyo needs is empty", "It refuses the whole batch.", _CORRECT),
    "catalog.too_large": Reason("an entry over 500 kB", "A request holds a hundred of them in 5 MB.", "Map less."),
    "coupon.invalid": Reason("not a coupon, or not a code", "Klaviyo refuses the whole batch.", _CORRECT),
    "coupon.expired": Reason("a code that has expired", "Nobody could use it.", "Leave it out with from.where."),
    # Guards
    "consent.no_proof": Reason(
        "a consent without complete proof",
        "Nobody is subscribed without knowing when and where they agreed.",
        "Fill the columns of consent.email.proof.",
    ),
    "consent.in_future": Reason(
        "a consent dated in the future",
        "Klaviyo refuses it, with its whole batch.",
        "Check the zone: `zone: Europe/Paris`.",
    ),
    "consent.no_address": Reason(
        "a consent without the address of its channel", "There is nobody to reach.", "Fill the address or the number."
    ),
    "consent.would_be_global": Reason(
        "somebody to unsubscribe from a list who is not in it",
        "Klaviyo would unsubscribe them from everything.",
        "Use unsubscribe_scope: everywhere if that is meant; otherwise nothing is to be done.",
    ),
    "consent.lifts_opt_out": Reason(
        "this person has opted out",
        "Subscribing them would silently lift that.",
        "Let them subscribe by a form; set the row's flag to false.",
    ),
    "consent.suppressed": Reason(
        "Klaviyo does not mail this address",
        "It bounced or is invalid; a subscription would not change that.",
        "Ask the person for another address.",
    ),
    "part.waits": Reason("the profile is not confirmed yet", "A consent follows its profile.", "Run again."),
    "person.erased": Reason(
        "somebody who was erased",
        "Sending the row would bring back what was deleted on request.",
        "Delete the row at the source.",
    ),
    "limit.max_changes": Reason(
        "more changes than limits.max_changes allows",
        "A broken source often looks like a big change.",
        "Look at `clavichord plan`; raise the limit if it is meant.",
    ),
    "limit.max_removals": Reason(
        "more removals than limits.max_removals allows",
        "A source that lost rows looks like one whose rows were deleted.",
        "Look at `clavichord plan`; raise the limit if it is meant.",
    ),
    "limit.removals": Reason(
        "more removals than max_removals allows",
        "A source that lost rows looks like one whose people left; nobody was removed.",
        "Look at `clavichord plan`; raise `max_removals` if it is meant.",
    ),
    "limit.bad_rows": Reason(
        "more bad rows than bad_rows.stop_over allows",
        "The source may be broken.",
        "Correct the source; raise the limit if it is meant.",
    ),
    # Klaviyo's answers
    "klaviyo.rejected": Reason(
        "Klaviyo refused the row",
        "",
        "Correct it at the source; it is sent again when it changes, or with --retry-rejected.",
    ),
    "klaviyo.too_large": Reason("Klaviyo refused the row for its size", "", "Map less."),
    "klaviyo.import_error": Reason(
        "Klaviyo's import reported the row",
        "",
        "Correct it at the source; it is sent again when it changes, or with --retry-rejected.",
    ),
    "klaviyo.refused": Reason(
        "Klaviyo refused the request itself",
        "",
        "The message says what it does not like; the rows are sent again by the next run.",
    ),
    "klaviyo.cancelled": Reason("Klaviyo cancelled the import job", "", "Run again."),
    "account.refused": Reason(
        "Klaviyo refused the account's key",
        "The key is wrong, was revoked or lacks a scope.",
        "Check the key's reference in clavichord.yaml and its scopes (Settings → API keys). "
        "Of an OAuth login: `clavichord auth login`.",
    ),
    "account.scope": Reason(
        "the key lacks a permission",
        "",
        "Make a key with the scopes that the operation needs: a key's scopes cannot be changed.",
    ),
    "list.missing": Reason("there is no such list", "", "Correct the name, use id:XyZ123, or add `create: true`."),
    "budget.exhausted": Reason("the account's budget is used up", "", "The rest is sent by the next run."),
    "network.unreachable": Reason(
        "Klaviyo could not be reached", "", "Check the connection; run again: what was begun is finished first."
    ),
    "server.error": Reason(
        "Klaviyo answered with an error of its own", "", "Run again: what was begun is finished first."
    ),
    "stopped": Reason("the run was stopped", "", "Run again: what was begun is finished first."),
    "answer.lost": Reason(
        "the connection broke after sending", "Whether Klaviyo took it is checked by the next run.", "Run again."
    ),
    "consent.pending": Reason(
        "a consent that Klaviyo accepted and that is not in effect",
        "With a double opt-in list the person has to confirm first.",
        "Nothing to do; it is looked at again by each run, and not sent a second time.",
    ),
    "not_visible": Reason(
        "not visible in Klaviyo yet", "It was accepted; Klaviyo works later.", "Run again later, or raise confirm.wait."
    ),
    "read_back.differs": Reason(
        "Klaviyo holds something else than was sent",
        "Another system may write the same profile.",
        "Look at the profile in Klaviyo.",
    ),
}


def reason(code: str) -> Reason:
    """The entry of `code`; an unknown code explains itself."""
    return REASONS.get(code) or Reason(code.replace(".", ": ").replace("_", " "), "", "")
