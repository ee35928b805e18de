"""The admin API of a running gateway, for commands.

Failure policy: a gateway that does not answer is `Failure` 4; one that does not take the token, or
answers with a problem, is `Failure` 1 with what it says. That something does not exist is for the
command to tell.
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
_ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True)
class AdminApi:
    """Asks one gateway.

    Attributes:
        source: Where the token came from, for people.
    """

    url: str
    token: str = field(repr=False)
    source: str

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
        return None if answer is None else answer.json()

    def post(self, path: str) -> Any:
        """Have something done; what came of it, `None` if what it is about is not there."""
        answer = self._ask("POST", path, {})
        return None if answer is None else answer.json()

    def text(self, path: str, **query: str | float | None) -> str:
        """What is there, as it is.

        Raises:
            Failure: It cannot be had, or is not there.
        """
        answer = self._ask("GET", path, query)
        if answer is None:
            raise Failure(f"the gateway at {self.url} has nothing at {path}.")
        return answer.text

    def _ask(
        self, method: str, path: str, query: Mapping[str, str | float | None]
    ) -> "httpx2.Response | None":
        import httpx2

        try:
            answer = httpx2.request(
                method,
                f"{self.url}/admin/v1/{path}",
                params={name: value for name, value in query.items() if value is not None},
                headers={"authorization": f"Bearer {self.token}"},
                timeout=_ANSWER_LIMIT_S,
                trust_env=False,
            )
        except httpx2.HTTPError as error:
            raise Failure(
                f"no gateway answers at {self.url} ({error}). "
                "Start one with: gateway serve, or name another with --url.",
                ExitCode.UNREACHABLE,
            ) from None
        if answer.status_code == 401:
            raise Failure(
                f"the gateway at {self.url} does not take the admin token from {self.source}. "
                f"Set {TOKEN_VARIABLE} to the right one."
            )
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Failure(f"the gateway at {self.url} says: {_detail(answer.text)}")
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


def _detail(text: str) -> str:
    import json

    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200] or "nothing"
