"""What every request goes through before a behaviour answers it, in Klaviyo's order."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from clavichord.sandbox import auth, inferred, late, payload, query, revision
from clavichord.sandbox.auth import Keyring
from clavichord.sandbox.call import Answer, Call
from clavichord.sandbox.clock import Clock
from clavichord.sandbox.errors import Refusal, invalid, not_found, service
from clavichord.sandbox.faults import Fault
from clavichord.sandbox.journal import Journal
from clavichord.sandbox.limits import Limits
from clavichord.sandbox.revision import Releases
from clavichord.sandbox.unread import unread, watched
from clavichord.sandbox.wire import Reply, Request
from clavichord.spec import Operation

_PAGE = 100
"""rows of a collection that has no page[size] (FACTS §4.6)"""
_PAGES = {"get_metrics": 200}
_RETIRED = ("/api/v1/", "/api/v2/")
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
]
"""Browsers call /client from any page (FACTS §11.1; the headers are inferred)."""


class Gates:
    """Lets requests through, or refuses them. `open` begins an account that is new."""

    def __init__(
        self,
        clock: Clock,
        releases: Releases,
        keyring: Keyring,
        limits: Limits,
        journal: Journal,
        open: Callable[[str], None],
    ) -> None:
        self._clock, self._releases, self._keyring = clock, releases, keyring
        self._limits, self._journal, self._open = limits, journal, open

    def meant(self, request: Request) -> tuple[str | None, str | None]:
        """The operation and the account of a request that may never be let through."""
        release = self._releases.at(request.headers.get(b"revision", b"").decode("latin-1"))
        found = release.catalogue.match(request.method, request.raw_path)
        operation = found[0] if found is not None else None
        try:
            account = self.caller(request, operation).account
        except Refusal:
            account = None
        return operation.id if operation is not None else None, account

    def caller(self, request: Request, operation: Operation | None) -> auth.Caller:
        """Who asks; nobody in particular where no company_id is needed. Refusal (401, or 400 for a company_id)."""
        if not request.raw_path.startswith("/client/"):
            return self._keyring.identify(request.headers.get(b"authorization", b"").decode("latin-1"))
        company = parse_qs(request.query.decode("latin-1")).get("company_id", [""])[0]
        if not company and operation is not None and not operation.query.get("company_id", {}).get("required"):
            return auth.Caller("", None, "")
        if not company:
            raise invalid(inferred.REQUIRED.format(name="company_id"), parameter="company_id")
        if not (len(company) == 6 and company.isascii() and company.isalnum() and self._keyring.company(company)):
            raise invalid(inferred.COMPANY_UNKNOWN.format(given=company[:100]), parameter="company_id")
        return auth.Caller(company, None, company)

    def let_through(self, request: Request, reply: Reply, fault: Fault | None) -> Answer:
        """The gates, in order: path, key, method, revision, limit, scope, implementation, query, body."""
        given = request.headers.get(b"revision", b"").decode("latin-1")
        release = self._releases.at(given)
        catalogue, path = release.catalogue, request.raw_path
        client = path.startswith("/client/")
        found = catalogue.match("GET" if request.method == "HEAD" else request.method, path)
        allowed = [] if found is not None else catalogue.methods(path)
        if found is None and not allowed:
            if path.startswith(_RETIRED):
                raise service(410, "gone", "Gone.", inferred.RETIRED)
            if not self._releases.elsewhere(release, path):
                raise not_found("Not found.")
        if client:
            reply.headers.append(_ANY_ORIGIN)
            if request.method == "OPTIONS":
                reply.headers = list(_PREFLIGHT)
                return Answer(204)
            caller = None
        else:
            caller = self._keyring.identify(request.headers.get(b"authorization", b"").decode("latin-1"))
            reply.account = caller.account
        if found is None:
            if request.method in self._releases.elsewhere(release, path):
                raise not_found("No valid revisions found for method")
            title = f'Method "{request.method}" not allowed.'
            raise service(405, "method_not_allowed", title, title, (b"allow", ", ".join(allowed).encode()))
        operation, parameters = found
        reply.operation = operation.id
        revision.check(given, self._clock, self._releases.stable.catalogue.revision)
        if caller is None:
            caller = self.caller(request, operation)
            reply.account = caller.account
        reply.headers += self._limits.admit(caller.bucket, operation, request.query)
        auth.permit(operation, caller.scopes)
        behaviour = release.behaviours.get(operation.id)
        if behaviour is None:
            text = f"The sandbox does not implement {operation.id} yet."
            raise service(501, "not_implemented", "Not implemented.", text)
        if caller.account:
            self._open(caller.account)
        path_id = next(iter(parameters.values()), "")
        asked = query.read(request.query, operation, _PAGES.get(operation.id, _PAGE), path_id)
        data = payload.read(release.engine.bodies, operation, request.headers, request.body) if operation.body else None
        call = Call(
            engine=release.engine,
            operation=operation,
            account=caller.account,
            now=self._clock.now(),
            path=request.path,
            id=path_id,
            query=asked,
            data=watched(data) if self._journal.watching else data,
        )
        if fault is not None and (fault.late or fault.shift):
            return late.answer(call, behaviour, fault)
        answer = behaviour(call)
        if self._journal.watching:
            reply.unread = (*unread(call.data), *query.ignored(asked, operation))
        return answer
