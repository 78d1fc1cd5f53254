"""How the code is divided up: its rooms, what imports what, and what a user has to learn.

    python tests/count_house.py [REPOSITORY]

A room is a folder or a loose file directly in one of the three packages. The rules are in
`tests/test_architecture.py`; this counts, for any checkout, so that two of them can be compared.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {"stars_infer": "stars_infer", "train": "stars_infer.train",
            "exporters": "stars_infer.exporters"}  # fmt: skip
"""Folders of a checkout, and the names under which they install."""

MODELS = "stars_infer.models"
"""The package of the shipped encoders; there is no code in it."""

DOORS = ("__init__", "__main__")
"""Files of a package that belong to no room: they start it, or pass its names on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file uses another.

    Attributes:
        user: The importing module, by its installed name.
        line: Where.
        used: The imported module.
        at_import: Whether it happens as soon as the file is imported, not in a function's call.
    """

    user: str
    line: int
    used: str
    at_import: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The modules of a checkout and their imports, also those inside functions or for types only.

    Attributes:
        files: Path of each module, by its installed name.
        imports: All imports of one of these by another.
    """

    files: dict[str, Path]
    imports: tuple[Import, ...]

    @classmethod
    def read(cls, repository: Path) -> House:
        """Parse every file of the packages."""
        files = {}
        for folder, package in PACKAGES.items():
            for path in sorted((repository / folder).rglob("*.py")):
                parts = path.relative_to(repository / folder).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                files[".".join((package, *parts))] = path
        found = {one for name in files for one in _imports(name, files)}
        return cls(
            files=files,
            imports=tuple(sorted(found, key=lambda one: (one.user, one.line, one.used))),
        )

    def graph(self, package: str | None = None) -> dict[str, set[str]]:
        """What each file of a package, or of all, imports."""
        names = [name for name in self.files if package is None or package_of(name) == package]
        return {
            name: {one.used for one in self.imports if one.user == name and one.used in names}
            for name in names
        }

    def rooms(self, package: str) -> dict[str, set[str]]:
        """What each room of a package imports from its other rooms."""
        graph = {room: set() for name in self.files if (room := room_of(name, package))}
        for one in self.imports:
            user, used = room_of(one.user, package), room_of(one.used, package)
            if user and used and user != used:
                graph[user].add(used)
        return graph


def package_of(name: str) -> str:
    """The package of a module."""
    return max((one for one in PACKAGES.values() if f"{name}.".startswith(f"{one}.")), key=len)


def room_of(name: str, package: str) -> str | None:
    """The room of a module, or None if it is another package's or belongs to no room."""
    rest = name.removeprefix(package).strip(".").split(".")[0]
    return rest if package_of(name) == package and rest and rest not in DOORS else None


def loops(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of two or more nodes that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                groups.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms lie below each on the longest way down; rooms of one loop share a floor."""
    home = {node: node for node in graph}
    for group in loops(graph):
        home |= dict.fromkeys(group, group[0])
    below: dict[str, set[str]] = {one: set() for one in home.values()}
    for node, others in graph.items():
        below[home[node]] |= {home[other] for other in others} - {home[node]}
    height: dict[str, int] = {}

    def climb(node: str) -> int:
        if node not in height:
            height[node] = 1 + max(map(climb, below[node]), default=-1)
        return height[node]

    return {node: climb(home[node]) for node in graph}


def _imports(name: str, files: dict[str, Path]) -> set[Import]:
    """Everything that a module imports from the packages."""
    tree = ast.parse(files[name].read_text(encoding="utf-8"))
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    called = {id(node) for function in functions for node in ast.walk(function)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            wholes = [f"{node.module}.{alias.name}" for alias in node.names]
            used = [whole if whole in (*files, MODELS) else node.module for whole in wholes]
        else:
            continue
        found |= {
            Import(user=name, line=node.lineno, used=one, at_import=id(node) not in called)
            for one in used
            if one in files and one != name
        }
    return found


_SURFACE = """
import typer.main, stars_infer
from stars_infer.cli import app

def commands(command):
    subs = getattr(command, "commands", None)
    return [one for sub in subs.values() for one in commands(sub)] if subs else [command]

every = commands(typer.main.get_command(app))
options = [one.opts[0] for command in every for one in command.params
           if one.param_type_name == "option"]
print(len(stars_infer.__all__), len(every), len(options), len(set(options)))
"""


def main(repository: Path) -> None:
    """Print the figures of a checkout."""
    house = House.read(repository)
    write = sys.stdout.write
    for package in PACKAGES.values():
        rooms = house.rooms(package)
        arrows = [(user, used) for user, others in rooms.items() for used in others]
        circles = loops(rooms)
        caught = sum(any({*arrow} <= {*group} for group in circles) for arrow in arrows)
        sizes = [
            len(path.read_text(encoding="utf-8").splitlines())
            for name, path in house.files.items()
            if package_of(name) == package
        ]
        write(
            f"{package}: {len(rooms)} rooms on {1 + max(floors(rooms).values())} floors, "
            f"{len(arrows)} imports between them, {len(circles)} loops of rooms "
            f"({caught} imports in them), {len(loops(house.graph(package)))} of files, "
            f"{len(sizes)} files, {sum(sizes)} lines, the longest {max(sizes)}\n"
        )
        for group in circles:
            write(f"  loop: {', '.join(group)}\n")
    surface = subprocess.run(
        [sys.executable, "-c", _SURFACE],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    if surface.returncode:
        write(f"the command line cannot be imported: {surface.stderr.splitlines()[-1]}\n")
    else:
        names, commands, options, distinct = surface.stdout.split()
        write(
            f"{names} public names, {commands} commands without those of stars train and export, "
            f"{options} options of {distinct} names\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
