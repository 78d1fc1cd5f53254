"""No command opens a connection: each runs here with a guard on the sockets of the process.

`tests/stars_infer/test_telemetry.py` runs the runtimes so in processes of their own.
"""

import socket

import pytest

from stars_infer.cli import app
from tests.faults.seeds import seeds


@pytest.fixture
def asked(monkeypatch):
    """What asked for a network; whoever does is refused."""
    said = []

    def refusing(name):
        def refused(*arguments, **named):
            said.append(f"{name} {arguments[-1:]}")
            raise OSError(f"{name}: no network here")

        return refused

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refusing(name))
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refusing(name))
    return said


COMMANDS = {
    "add-class": ("fewshot", "add-class", "{clips}/wave", "{clips}/clap", "--index", "i.db"),
    "list": ("fewshot", "list", "--index", "i.db"),
    "info": ("fewshot", "info", "--index", "i.db"),
    "check": ("fewshot", "check", "--index", "i.db"),
    "threshold": ("fewshot", "threshold", "--false-accept", "5", "--index", "i.db"),
    "suggest": ("fewshot", "suggest", "{clips}", "--index", "i.db"),
    "eval": ("fewshot", "eval", "{clips}", "--shots", "1", "--draws", "2"),
    "rename": ("fewshot", "rename", "clap", "clapping", "--index", "i.db"),
    "classify": ("classify", "{clips}/wave", "--index", "i.db", "--json"),
    "segment": ("segment", "{clip}", "--index", "i.db"),
    "embed": ("embed", "{clips}/wave", "--out", "v.npz"),
    "search": ("search", "{clip}", "--in", "v.npz"),
    "layouts": ("layouts", "kinect20"),
    "model list": ("model", "list"),
    "model info": ("model", "info"),
    "inspect": ("data", "inspect", "{clip}"),
    "pack": ("data", "pack", "{clips}", "--out", "pack"),
    "pretrain": ("train", "pretrain", "pack", "--out", "run", "--steps", "1", "--warmup", "0",
                 "--batch", "4", "--width", "16", "--depth", "1", "--heads", "2",
                 "--decoder-depth", "1", "--accelerator", "cpu"),
    "recipes": ("train", "recipes"),
    "export": ("export", "--onnx", "run", "--out", "made"),
    "import": ("model", "import", "mamp.pth", "--out", "public", "--heads", "2"),
    "doctor": ("doctor",),
    "bench": ("bench", "--seconds", "0.01"),
    "demo": ("demo", "--out", "demo"),
    "tour": ("tour", "--fast"),
    "view": ("view", "{clip}", "--out", "view.html"),
    "report": ("report", "demo/stars.db", "--out", "report.html"),
}  # fmt: skip
"""Every command that does something, in an order in which each has what it needs."""
ELSEWHERE = frozenset({
    "watch", "pose", "teach", "serve", "studio", "remove", "relabel", "expect", "confirm", "deny",
    "repair", "verify", "split", "prepare", "tune", "pool", "reproduce", "fuse", "knn", "fetch",
    "push", "copy",
})  # fmt: skip
"""Of a camera or a stream, a network that is asked for, or of the same parts as the others."""


@pytest.fixture
def work(stars, recordings, tmp_path):
    """Run a command in a folder with all that they need."""
    (tmp_path / "mamp.pth").write_bytes(seeds()["import"])
    clip = sorted((recordings / "wave").iterdir())[0]

    def run(arguments):
        return stars(*(one.format(clips=recordings, clip=clip) for one in arguments))

    return run


def test_no_command_opens_a_connection(work, asked):
    failed = {}
    for name, arguments in COMMANDS.items():
        code, _, err = work(arguments)
        if code not in (0, None) or asked:
            failed[name] = (code, list(asked), err[-300:])
            asked.clear()
    assert failed == {}


def test_the_guard_sees_a_connection(asked):
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("example.org", 80))
    with pytest.raises(OSError, match="no network"):
        socket.socket().connect(("127.0.0.1", 9))
    assert len(asked) == 2


def test_every_command_is_here():
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    for group in app.registered_groups:
        commands = group.typer_instance.registered_commands
        names |= {one.name or one.callback.__name__.replace("_", "-") for one in commands}
    known = {word for arguments in COMMANDS.values() for word in arguments[:2]} | ELSEWHERE
    assert names - known <= {"train", "export"}
