"""Everyday verbs of templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.client.errors import ConfigurationError
from clavichord.client.models import Template
from clavichord.client.operation import verb
from clavichord.client.resource import Resource
from clavichord.client.verbs.arguments import resource_id


class TemplateVerbs:
    @verb("render_template", Template)
    def render(self, template: str | Resource, context: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The template with `context` filled in: `html` and `text` of what comes back.

        Names of the context are those of the template: `{"person": {"first_name": "Jo"}, "event": {…}}`.
        """
        if context is not None and not isinstance(context, Mapping):
            raise ConfigurationError(f"templates.render: context is a dict, not {context!r}")
        return {"id": resource_id("templates.render", "template", template), "context": dict(context or {})}
