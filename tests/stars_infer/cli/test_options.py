"""Options that several commands take as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner

from stars_infer.cli.options import OptionGroup, options_of, reads_clips, with_options

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    device: Annotated[str, typer.Option(help="Where it runs.")]
    nodes: Annotated[int, typer.Option(help="Number of machines.", min=1)] = 1


def call(command, *arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_command_takes_an_instance_of_a_dataclass():
    calls = []

    @with_options(machine=Machine)
    def train(data: Annotated[str, typer.Argument()], machine: Machine, seed: int = 0) -> None:
        calls.append((data, machine, seed))

    assert call(train, "pack", "--device", "cpu", "--nodes", 2, "--seed", 3).exit_code == 0
    assert call(train, "--device", "cuda", "pack").exit_code == 0
    assert calls == [
        ("pack", Machine(device="cpu", nodes=2), 3),
        ("pack", Machine(device="cuda", nodes=1), 0),
    ]
    assert call(train, "pack").exit_code == 2  # --device has no default
    assert call(train, "pack", "--device", "cpu", "--nodes", 0).exit_code == 2


def test_a_group_makes_any_value_and_a_command_takes_several_groups():
    calls = []
    flags = OptionGroup(
        options=options_of(Machine), make=lambda **given: {k: v for k, v in given.items() if v}
    )

    @reads_clips
    def read(convention: Convention) -> None:
        calls.append(convention)

    @with_options(flags=flags, other=Other)
    def train(flags: dict[str, object], other: Other) -> None:
        calls.append((flags, other))

    assert call(read, "--up", "z", "--left-handed").exit_code == 0
    assert call(train, "--device", "cpu", "--speed", 2).exit_code == 0
    assert (calls[0].up, calls[0].handedness, calls[0].fps) == ("z", "left", None)
    assert calls[1] == ({"device": "cpu", "nodes": 1}, Other(speed=2.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    speed: Annotated[float, typer.Option()] = 1.0


def test_called_from_python_options_have_their_defaults():
    @with_options(machine=Machine)
    def train(machine: Machine) -> Machine:
        return machine

    train(device="cpu")
    with pytest.raises(TypeError, match="device"):
        train(nodes=2)


def test_a_parameter_that_is_not_there_or_an_option_that_is_there_twice_is_refused():
    with pytest.raises(TypeError, match="train has no parameter machine"):

        @with_options(machine=Machine)
        def train(seed: int = 0) -> None: ...

    with pytest.raises(TypeError, match="tune has two options nodes"):

        @with_options(machine=Machine)
        def tune(machine: Machine, nodes: int = 1) -> None: ...
