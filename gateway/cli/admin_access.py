"""The admin API of a running gateway, for commands.

Failure policy: a gateway that does not answer, or whose store does not, is `Failure` 4; a value that
makes no sense to it is wrong usage, 2; any other problem, such as a token that it does not take, is
`Failure` 1 with what it says. That something does not exist is for the command to tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Settings, read_environment
from gateway.store.secrets import admin_token_path

from .configured import WHEREABOUTS, configured
from .failing import ExitCode, Failure
from .whereabouts import callable_url, gateway_url

if TYPE_CHECKING:
    import httpx2

TOKEN_VARIABLE = "GATEWAY_ADMIN_TOKEN"  # noqa: S105 - the variable's name
UNAUTHORIZED = 401
NOT_FOUND = 404
_CODES = {422: ExitCode.USAGE, 503: ExitCode.UNREACHABLE}


@dataclass(frozen=True)
class AdminApi:
    """Asks one gateway.

    Attributes:
        source: Where the token came from, for people.
        patience_s: How long an answer may take.
    """

    url: str
    token: str = field(repr=False)
    source: str
    patience_s: float = 10.0

    def get(self, path: str, **query: str | float | None) -> Any:
        """What is there, as parsed JSON.

        Raises:
            Failure: It cannot be had, or is not there.
        """
        found = self.find(path, **query)
        if found is None:
            raise Failure(f"the gateway at {self.url} has nothing at {path}.")
        return found

    def find(self, path: str, **query: str | float | None) -> Any:
        """Like `get`; `None` if it is not there."""
        answer = self._ask("GET", path, query)
        return None if answer.status_code == NOT_FOUND else answer.json()

    def post(self, path: str) -> Any:
        """Have something done; what came of it, `None` if what it is about is not there."""
        answer = self._ask("POST", path, {})
        return None if answer.status_code == NOT_FOUND else answer.json()

    def change(
        self, method: str, path: str, body: object = None, **query: str | float | None
    ) -> Any:
        """Have something changed; what came of it, `None` if nothing is said of it.

        Args:
            method: `POST`, `PUT`, `PATCH` or `DELETE`.
            path: Below `/admin/v1/`.
            body: Sent as JSON if not `None`.
            **query: `None` is left out.

        Raises:
            Failure: It cannot be done, or is not there.
        """
        answer = self._ask(method, path, query, body)
        if answer.status_code == NOT_FOUND:
            raise Failure(f"the gateway at {self.url} says: {detail(answer.text)}")
        return answer.json() if answer.content else None

    def text(self, path: str, **query: str | float | None) -> str:
        """What is there, as it is.

        Raises:
            Failure: It cannot be had, or is not there.
        """
        answer = self._ask("GET", path, query)
        if answer.status_code == NOT_FOUND:
            raise Failure(f"the gateway at {self.url} has nothing at {path}.")
        return answer.text

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | float | None],
        body: object = None,
    ) -> "httpx2.Response":
        """The answer, which is a success or 404."""
        import httpx2

        try:
            answer = httpx2.request(
                method,
                f"{self.url}/admin/v1/{path}",
                params={name: value for name, value in query.items() if value is not None},
                json=body,
                headers={"authorization": f"Bearer {self.token}"},
                timeout=self.patience_s,
                verify=self.url.startswith("https:"),  # else certificates are read for nothing
                trust_env=False,
            )
        except httpx2.HTTPError as error:
            raise Failure(
                f"no gateway answers at {self.url} ({error}). "
                "Start one with: gateway serve, or name another with --url.",
                ExitCode.UNREACHABLE,
            ) from None
        if answer.status_code == UNAUTHORIZED:
            raise Failure(
                f"the gateway at {self.url} does not take the admin token from {self.source}. "
                f"Set {TOKEN_VARIABLE} to the right one."
            )
        if not (answer.is_success or answer.status_code == NOT_FOUND):
            code = _CODES.get(answer.status_code, ExitCode.FAILED)
            raise Failure(f"the gateway at {self.url} says: {detail(answer.text)}", code)
        return answer

    def all(self, path: str, **query: str | float | None) -> list[Any]:
        """A whole collection, page by page."""
        items: list[Any] = []
        offset: int | None = 0
        while offset is not None:
            page = self.get(path, limit=1000, offset=offset, **query)
            items += page["items"]
            offset = page["next_offset"]
        return items


def admin_api(config: Path | None, url: str | None) -> AdminApi:
    """The admin API of the gateway that the whereabouts lead to.

    Raises:
        Failure: There is no token to be found.
    """
    environment = read_environment()
    settings = configured(config, environment, only=WHEREABOUTS)
    token, source = _token(settings, environment)
    own = settings.admin.listen
    if url is None and own is not None and own.port:
        url = callable_url(f"http://{own}")
    return AdminApi(gateway_url(url, environment, settings), token, source)


def _token(settings: Settings, environment: Mapping[str, str]) -> tuple[str, str]:
    given = environment.get(TOKEN_VARIABLE, "").strip()
    if given:
        return given, TOKEN_VARIABLE
    if settings.admin_token is not None:
        return settings.admin_token, f"admin.token in {settings.file}"
    path = admin_token_path(settings.state.dir)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise Failure(
            f"there is no admin token in {path}. Run this where the gateway runs, or set "
            f"{TOKEN_VARIABLE} to its admin token."
        )
    return token, str(path)


def detail(text: str) -> str:
    """What a problem (RFC 9457) says, with the remedies of single fields."""
    import json

    try:
        problem = json.loads(text)
        told = str(problem["detail"])
        faults = problem.get("errors") or []
        remedies = [one["remedy"] for one in faults if one["remedy"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return text.strip()[:200] or "nothing"
    return f"{told.rstrip('.')} ({' '.join(remedies)})" if remedies else told
