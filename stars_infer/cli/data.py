"""`stars data`: look at clips; the commands that make training data come with the extra `train`."""

from __future__ import annotations

import typer

from stars_infer.cli.extras import DATA, PASS_ON
from stars_infer.cli.inspect import inspect

app = typer.Typer(
    help=DATA.help, epilog="Example: stars data inspect clip.skeleton", no_args_is_help=True
)

app.command(epilog="Example: stars data inspect clip.skeleton --html clip.html")(inspect)
for _name, _help in DATA.commands.items():
    app.command(
        _name,
        help=_help,
        rich_help_panel=f"Make training data (extra {DATA.extra!r})",
        add_help_option=False,
        context_settings=PASS_ON,
    )(DATA.command(_name))
