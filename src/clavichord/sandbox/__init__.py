"""A stateful Klaviyo on this machine: `Sandbox` is an ASGI application, `serve.running` serves one from a thread."""

from clavichord.sandbox.app import Sandbox

__all__ = ["Sandbox"]
