"""What a new form is filled up with where its recorded echo says more than the schema, or something else."""

from __future__ import annotations

from clavichord.sandbox.completion import Defaults

_BLOCK = {"padding": {"left": 6, "right": 6, "top": 10, "bottom": 10}}
_DEVICES = {"display_device": ["desktop", "mobile"]}
_SIZES = {"h1": 48, "h2": 36, "h3": 28, "h4": 20, "h5": 13, "h6": 11}

FORM_DEFAULTS: Defaults = {
    "Version": {
        "triggers": [{"type": "unidentified_profiles"}, {"type": "after_close_or_submit_timeout"}],
        "teasers": [],
        "specialties": [],
    },
    "VersionStyles": {"border_styles": {"radius": 2, "color": "#000000", "thickness": 0}, "mobile_overlay": {}},
    "VersionProperties": {"click_outside_to_close": ["mobile", "desktop"]},
    "RichTextStyles": {name: {"font_size": size, "font_weight": 700} for name, size in _SIZES.items()},
    "HTMLTextStyles": _BLOCK,
    "EmailStyles": _BLOCK,
    "ButtonStyles": {
        **_BLOCK,
        "border_styles": {"radius": 2},
        "text_styles": {"font_weight": 700, "text_color": "#FFFFFF"},
    },
    "HTMLTextProperties": _DEVICES,
    "EmailProperties": _DEVICES,
    "ButtonProperties": {**_DEVICES, "additional_fields": []},
}
