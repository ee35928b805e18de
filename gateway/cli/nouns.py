"""Commands that are a noun with verbs: `gateway lanes`, `gateway lanes pause sonnet`.

The first verb is what a noun does alone, so `gateway lanes` lists, and so do `gateway lanes --json`
and `gateway lanes sonnet`. Verbs are never taken for names: `gateway lanes list pause` shows a lane
that is called so.
"""

from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup


class Noun(TyperGroup):
    """A group whose first command acts where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first verb where none is."""
        first = args[0] if args else None
        completing = ctx.resilient_parsing and first is None
        if not completing and first not in {*self.commands, *ctx.help_option_names}:
            args = [self._alone, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Verbs in their order, not in that of the alphabet."""
        del ctx
        return list(self.commands)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Verbs, and what may stand where no verb is."""
        verb = self.commands[self._alone]
        inner = verb.make_context(self._alone, [], parent=ctx, resilient_parsing=True)
        if incomplete.startswith("-"):
            return verb.shell_complete(inner, incomplete)
        found = super().shell_complete(ctx, incomplete)
        for parameter in verb.params:
            if isinstance(parameter, TyperArgument):
                found += parameter.shell_complete(inner, incomplete)
        return found

    @property
    def _alone(self) -> str:
        return next(iter(self.commands))


def noun(help_: str) -> typer.Typer:
    """The commands of a noun, of which the first to be added is what it does alone."""
    return typer.Typer(cls=Noun, add_completion=False, help=help_, subcommand_metavar="[VERB] ...")
