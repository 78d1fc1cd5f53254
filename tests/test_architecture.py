"""The rules of docs/architecture.md: which room may import which, and how large a file may be."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.count_house import DOORS, PACKAGES, House, floors, loops, package_of, room_of

PAGE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
LIBRARY, TRAIN, EXPORTERS = PACKAGES.values()

LONGEST, SHORTEST = 400, 25
SHORT = {
    "stars_infer.arrays": "the array types that rooms of every floor use",
    "stars_infer.cli.data": "only registers commands of two packages under one name",
    "stars_infer.train.datasets.ntu.missing": "reads the list that lies beside it",
    "stars_infer.train.networks.build": "no network may know the others, so their choice is apart",
}
"""Files below the shortest length, and why they are files of their own."""

HANDED_ON = {"stars_infer.cli.model"}
"""Commands that call the exporters: inside a function, once the extra is known to be there."""

GPU_DOORS = {
    "stars_infer.runtimes.gpu": {"stars_infer.runtimes.open", "stars_infer.exporters.triton"},
    "stars_infer.exporters.gpu": {"stars_infer.exporters.cli", "stars_infer.exporters.precision"},
}
"""Rooms of code that needs a GPU, and who else may import them beside GPU code."""


@pytest.fixture(scope="module")
def house():
    return House.read(REPOSITORY)


def order_of_rooms():
    """The rooms as the page lists them, from the command line down to the ground."""
    (table,) = re.findall(r"## Rooms of `stars_infer`\n.*?\n((?:\|.*\n)+)", PAGE, flags=re.DOTALL)
    return re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)


def test_the_page_lists_every_room_once(house):
    assert sorted(order_of_rooms()) == sorted(house.rooms(LIBRARY))


def test_rooms_import_only_from_rooms_further_down(house):
    order = order_of_rooms()
    climbing = [
        f"{one.user}:{one.line} imports {one.used}"
        for one in house.imports
        if (user := room_of(one.user, LIBRARY)) and (used := room_of(one.used, LIBRARY))
        if order.index(user) > order.index(used)
    ]
    assert not climbing


@pytest.mark.parametrize("package", PACKAGES.values())
def test_no_rooms_import_each_other_in_a_circle(house, package):
    assert not loops(house.rooms(package))


def test_no_files_import_each_other_in_a_circle(house):
    assert not loops(house.graph())


def test_packages_import_in_one_direction(house):
    rank = {EXPORTERS: 0, TRAIN: 1, LIBRARY: 2}
    for one in house.imports:
        upward = rank[package_of(one.user)] > rank[package_of(one.used)]
        handed_on = one.user in HANDED_ON and not one.at_import
        assert not upward or handed_on, f"{one.user}:{one.line} imports {one.used}"


def test_exporters_do_not_need_the_benchmark(house):
    users = {one.user for one in house.imports if room_of(one.used, LIBRARY) == "bench"}
    assert not [user for user in users if package_of(user) == EXPORTERS]


def test_nobody_goes_through_the_public_face(house):
    """The package gives users eight names; code inside it imports from where they are."""
    assert not [one for one in house.imports if one.used in (LIBRARY, f"{LIBRARY}.__main__")]


@pytest.mark.parametrize("room", GPU_DOORS)
def test_code_for_gpus_is_reached_through_its_doors_only(house, room):
    users = {one.user for one in house.imports if f"{one.used}.".startswith(f"{room}.")}
    assert {user for user in users if ".gpu." not in user} <= GPU_DOORS[room]


def test_code_for_large_indexes_is_reached_through_its_door_only(house):
    room = "stars_infer.index.large"
    users = {one.user for one in house.imports if f"{one.used}.".startswith(f"{room}.")}
    assert {user for user in users if not user.startswith(f"{room}.")} == {
        "stars_infer.index.state"
    }


def test_files_are_neither_long_nor_tiny(house):
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in house.files.items()
    }
    assert not {name: length for name, length in lengths.items() if length > LONGEST}
    tiny = {
        name
        for name, length in lengths.items()
        if length < SHORTEST and house.files[name].stem not in DOORS
    }
    assert tiny == set(SHORT)


def test_the_page_names_files_that_exist():
    for path in re.findall(r"`((?:stars_infer|train|exporters|tests)/[\w./]+)`", PAGE):
        assert (REPOSITORY / path).exists(), path
    for path in re.findall(r"`(\w+/[\w/]+\.py)`", PAGE):
        assert any((REPOSITORY / root / path).exists() for root in (*PACKAGES, "train", ".")), path


@pytest.fixture
def planted(tmp_path):
    """A checkout of three rooms, one of which imports what imports it."""
    files = {
        "stars_infer/__init__.py": "",
        "stars_infer/ground.py": "def f():\n    from stars_infer.upper.a import x\n",
        "stars_infer/upper/__init__.py": "",
        "stars_infer/upper/a.py": "from stars_infer.upper import b\nfrom stars_infer import ground",
        "stars_infer/upper/b.py": "import stars_infer.aside\n",
        "stars_infer/aside.py": "import numpy\n",
        "train/loop.py": "from stars_infer import ground\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return House.read(tmp_path)


def test_imports_are_found_wherever_they_are(planted):
    found = {(one.user, one.used, one.at_import) for one in planted.imports}
    assert found == {
        ("stars_infer.ground", "stars_infer.upper.a", False),
        ("stars_infer.upper.a", "stars_infer.upper.b", True),
        ("stars_infer.upper.a", "stars_infer.ground", True),
        ("stars_infer.upper.b", "stars_infer.aside", True),
        ("stars_infer.train.loop", "stars_infer.ground", True),
    }


def test_circles_and_floors_are_found(planted):
    rooms = planted.rooms(LIBRARY)
    assert rooms == {"ground": {"upper"}, "upper": {"ground", "aside"}, "aside": set()}
    assert loops(rooms) == [["ground", "upper"]]
    assert floors(rooms) == {"aside": 0, "ground": 1, "upper": 1}
    assert loops(planted.graph()) == [["stars_infer.ground", "stars_infer.upper.a"]]
