"""`gateway tokens`: who may use the admin API, and as what."""

from typing import Annotated, Any

import typer

from gateway.domain.access import Role

from .completing import names_of
from .confirming import confirm
from .items import place
from .nouns import noun
from .options import AsJson, Config, GatewayUrl, Yes, read_duration, read_name
from .output import emit, emit_json, emit_table, say

app = noun("Who may use the admin API, and as what.")
_HEADINGS = ("ID", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES")


@app.command("list")
def list_(config: Config = None, url: GatewayUrl = None, as_json: AsJson = False) -> None:
    """List tokens; the configured one is not among them."""
    from .admin_access import admin_api

    found = admin_api(config, url).all("tokens")
    if as_json:
        emit_json(found)
    elif found:
        emit_table(_HEADINGS, (_row(one) for one in found))
    else:
        say(
            "There is only the configured token. Make one: gateway tokens create NAME --role viewer"
        )


@app.command()
def create(
    name: Annotated[
        str,
        typer.Argument(
            parser=read_name, metavar="NAME", help="Whose it is; it stands in the audit."
        ),
    ],
    role: Annotated[
        Role,
        typer.Option(
            "--role",
            help="viewer looks; operator changes agents, teams, lanes and the queue; admin all.",
        ),
    ],
    expires: Annotated[
        float | None,
        typer.Option("--expires", parser=read_duration, metavar="TIME", help="Such as 12h or 30d."),
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. Its secret is printed once, here, and stored nowhere."""
    from .admin_access import admin_api
    from .wording import moment

    life_s = None if expires is None else max(1, round(expires))
    wish = {"name": name, "role": role.value, "expires_in_s": life_s}
    made = admin_api(config, url).change("POST", "tokens", wish)
    if as_json:
        emit_json(made)
        return
    say(
        f"Token {made['id']} of {made['name']}, {made['role']}, "
        f"expires: {moment(made['expires_at'], 'never')}. It is shown this once:"
    )
    emit(made["token"])


@app.command()
def revoke(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id.", autocompletion=names_of("tokens", "id"))
    ],
    yes: Yes = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """End a token for good, everywhere, at once."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    confirm(f"End token {token_id} for good?", yes=yes)
    api.change("DELETE", place("tokens", token_id))
    if as_json:
        emit_json({"revoked": token_id})
    else:
        emit(f"{token_id} is revoked.")


def _row(one: Any) -> tuple[str, ...]:
    from .wording import moment

    return (
        one["id"],
        one["name"],
        one["role"],
        "active" if one["works"] else "expired",
        moment(one["created_at"]),
        moment(one["expires_at"], "never"),
    )
