"""Commands of the optional extras, loaded only when called."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

import typer

from stars_infer.errors import MissingExtraError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraGroup:
    """A group of commands that needs an extra.

    Attributes:
        name: What follows `stars`.
        help: Its line in `stars --help`.
        module: The module that holds its Typer app.
        extra: The extra of the distribution that installs the packages it needs.
        needs: Those packages.
        commands: Names and help texts of its commands, which are shown even without the extra.
    """

    name: str
    help: str
    module: str
    extra: str
    needs: tuple[str, ...]
    commands: Mapping[str, str] = field(default_factory=dict)

    @property
    def usage(self) -> str:
        """The commands that need the extra, for messages."""
        return " ".join(("`stars", self.name, ", ".join(self.commands))).strip() + "`"

    def command(self, *path: str) -> Callable[[typer.Context], None]:
        """A command that passes its arguments on to the group, or to a command at `path` in it."""

        def run(context: typer.Context) -> None:
            what = " ".join(("`stars", self.name, *path)) + "`"
            if set(context.args) & set(context.help_option_names):
                self._describe(what, " ".join(path))
            self.require(what)
            app: typer.Typer = importlib.import_module(self.module).app
            app(
                args=[*path, *context.args],
                prog_name=f"stars {self.name}",
                help_option_names=context.help_option_names,
            )

        return run

    def _describe(self, what: str, command: str) -> None:
        """Say in a line what a command does, where its own help cannot be loaded."""
        if not all(map(_there, self.needs)):
            typer.echo(f"{what}: {self.commands.get(command, self.help)}")

    def require(self, what: str) -> None:
        """Make sure that the extra is installed.

        Raises:
            MissingExtraError: If a package is missing; the message says how to install it.
        """
        missing = [package for package in self.needs if not _there(package)]
        if missing:
            raise MissingExtraError(what, self.extra, ", ".join(missing))


_TRAIN = ("torch", "lightning_fabric", "safetensors")

TRAIN = ExtraGroup(
    name="train",
    help="Train an encoder: pretrain (MAMP), tune (STARS).",
    module="stars_infer.train.cli",
    extra="train",
    needs=_TRAIN,
)
DATA = ExtraGroup(
    name="data",
    help="Inspect clips; make training packs of clips and motion capture.",
    module="stars_infer.train.datasets.cli",
    extra="train",
    needs=_TRAIN,
    commands={
        "pack": "Pack clips and recordings for training: select and center actors, cut windows.",
        "prepare": "Make a pack of NTU RGB+D or PKU-MMD with all official splits; killed, it goes "
        "on later.",
        "split": "Say which clips of a pack are trained on and which tested.",
    },
)
EXPORT = ExtraGroup(
    name="export",
    help="Convert a trained encoder to ONNX, half precision or TensorRT, verified.",
    module="stars_infer.exporters.cli",
    extra="export",
    needs=(*_TRAIN, "onnx", "onnxscript", "onnxruntime"),
)
GROUPS = (TRAIN, DATA, EXPORT)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that passes its arguments on."""


def _there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
