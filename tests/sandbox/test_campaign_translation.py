"""Older words for newer campaigns and back: nothing that the older revisions can say is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavichord.sandbox.resources import campaign_definitions as definitions
from clavichord.sandbox.resources import campaign_translation as translation

WORDS = st.text(max_size=8)
EMAIL = st.fixed_dictionaries({}, optional=dict.fromkeys(definitions.EMAIL, WORDS))
BUTTON = st.fixed_dictionaries(
    {"label": WORDS, "action_type": st.sampled_from(["open_app", "dismiss"])},
    optional={"position": st.integers(0, 2), "url": WORDS},
)
ON_OPEN = st.one_of(
    st.just({"type": "open_app"}),
    st.fixed_dictionaries(
        {"type": st.just("deep_link")}, optional={"ios_deep_link": WORDS, "android_deep_link": WORDS}
    ),
    st.fixed_dictionaries({"type": st.just("open_web_url")}, optional={"web_url": WORDS}),
)
COUNT = st.one_of(
    st.just({"badge_config": "increment_one"}),
    st.fixed_dictionaries({"badge_config": st.just("set_count"), "value": WORDS}),
    st.fixed_dictionaries({"badge_config": st.just("set_property"), "set_from_property": WORDS}),
)
BADGE = st.one_of(
    st.just({"display": False}),
    st.just({"display": True}),
    st.fixed_dictionaries({"display": st.just(True), "badge_options": COUNT}),
)
OPTIONS = st.fixed_dictionaries(
    {"on_open": st.none() | ON_OPEN, "badge": st.none() | BADGE}, optional={"play_sound": st.booleans()}
)
PUSH = st.fixed_dictionaries(
    {"channel": st.just("mobile_push"), "options": OPTIONS, "content": st.fixed_dictionaries(
        {"body": WORDS},
        optional={"title": WORDS, "dynamic_image": WORDS, "action_buttons": st.lists(BUTTON, min_size=1, max_size=2)},
    )},
    optional={
        "kv_pairs": st.dictionaries(WORDS, WORDS, max_size=2),
        "notification_type": st.just("standard"),
    },
)  # fmt: skip
SMS = st.fixed_dictionaries(
    {"channel": st.just("sms"), "content": st.fixed_dictionaries({"body": WORDS})},
    optional={
        "render_options": st.fixed_dictionaries({}, optional=dict.fromkeys(definitions.RENDER_OPTIONS, st.booleans()))
    },
)
MAIL = st.fixed_dictionaries({"channel": st.just("email"), "content": EMAIL}, optional={"label": WORDS})
SILENT = st.fixed_dictionaries(
    {"channel": st.just("mobile_push"), "notification_type": st.just("silent")},
    optional={"kv_pairs": st.dictionaries(WORDS, WORDS, max_size=2)},
)


@pytest.mark.parametrize("messages", [MAIL, SMS, PUSH, SILENT], ids=["mail", "text", "push", "silent push"])
@given(data=st.data())
def test_an_older_message_comes_back_as_it_was(
    messages: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    message = data.draw(messages)
    whole = definitions.message(message, "Campaign")
    assert translation.definition(translation.details(whole), whole.get("label")) == whole


@given(st.integers(1, 10**8), st.sampled_from(["sms", "push"]))
def test_an_image_is_a_member_of_the_details(number: int, channel: str) -> None:
    details = translation.with_image({"channel": channel}, str(number))
    assert translation.image_of(details) == str(number)
    assert translation.with_image(details, None) == {"channel": channel}


@pytest.mark.parametrize(
    ("phases", "status"),
    [
        ([], "Draft"),
        (["Draft"], "Draft"),
        (["Cancelled: No Recipients"], "Cancelled: No Recipients"),
        (["Sent", "Sending", "Draft"], "Sending"),
        (["Sent", "Variations Sent"], "Variations Sent"),
        (["Draft", "Scheduled"], "Scheduled"),
        (["Draft", "Cancelled"], "Draft"),
        (["Sent", "Cancelled: Misconfigured"], "Sent"),
        (["Cancelled", "Cancelled: No Recipients"], "Cancelled"),
        (["Sent", "Draft"], "Unknown"),
    ],
)
def test_the_older_status_of_several_messages(phases: list[str], status: str) -> None:
    assert translation.older_status(phases) == status
