"""Runs in an environment of klaviyo-api: the official Python SDK, unchanged, called from another process.

Prints the names of the SDK's methods, then answers a line of JSON with a line of JSON: `base_url`, `key`, `operation`,
`arguments` (positional), `options` (by keyword) → `type` and `value` of what the SDK gave back, or `status` and
`errors` of a refusal, or `raised`: what the SDK itself could not do.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys
import traceback
from functools import cache

from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import ApiException, OpenApiException


@cache
def methods(base_url, key):
    k = KlaviyoAPI(key, max_retries=0, test_host=base_url)
    groups = [getattr(k, name) for name, one in vars(KlaviyoAPI).items() if isinstance(one, property)]
    return {name: method for group in groups for name, method in vars(group).items() if callable(method)}


def answer(asked):
    method = methods(asked["base_url"], asked["key"])[asked["operation"]]
    try:
        found = method(*asked["arguments"], **asked["options"])
    except ApiException as error:
        return {"status": error.status, "errors": json.loads(error.body)["errors"]}
    except (OpenApiException, ValueError, TypeError, AttributeError, KeyError):
        return {"raised": traceback.format_exc(limit=-2)}
    return {"type": type(found).__name__, "value": found.to_dict() if hasattr(found, "to_dict") else found}


def say(message):
    sys.stdout.write(json.dumps(message, default=lambda one: one.isoformat()) + "\n")
    sys.stdout.flush()


def main():
    say(sorted(methods("http://127.0.0.1", "pk_nobody")))
    for line in sys.stdin:
        say(answer(json.loads(line)))


main()
