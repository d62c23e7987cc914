"""Runs in the environment of klaviyo-api 25.0.0: every reading call that needs no argument, on the sandbox whose URL is
the argument. Prints {method: the type that came back, or the status that refused it}.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import inspect
import json
import sys

from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import OpenApiException


def calls(k):
    tags = [name for name, one in inspect.getmembers(type(k)) if isinstance(one, property)]
    for tag in (getattr(k, name) for name in tags):
        for name, plain in inspect.getmembers(type(tag), callable):
            if not name.startswith(("get_", "list_")) or name.endswith(("_http_info", "_content")):
                continue
            parameters = list(inspect.signature(plain).parameters.values())[1:]
            if all(one.default is not one.empty for one in parameters):
                yield name, getattr(tag, name)  # of the instance: it is wrapped with the SDK's retries


def main(base_url):
    k = KlaviyoAPI("pk_official_sdk", max_retries=0, test_host=base_url)
    seen = {}
    for name, method in calls(k):
        try:
            seen[name] = type(method()).__name__
        except OpenApiException as error:
            seen[name] = error.status
    json.dump(seen, sys.stdout)


main(sys.argv[1])
