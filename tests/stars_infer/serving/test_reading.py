"""Uploads are read in bounded time and memory, and open no other file."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from stars_infer.serving import reading
from stars_infer.serving.settings import MEGABYTE, Limits
from stars_infer.serving.uploads import safe_name
from tests.stars_infer.serving.conftest import Server, as_file, clip, npy


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("wave.npy", "wave.npy"),
        ("../../etc/passwd", "passwd"),
        ("C:\\users\\anna\\wave.npy", "wave.npy"),
        ("/", "clip"),
        ("", "clip"),
        ("..", "clip"),
        (".hidden.npy", "hidden.npy"),
        ("a#b\n.npy", "a_b_.npy"),
        ("x" * 300 + ".skeleton", "x" * 50 + ".skeleton"),
        ("ü" * 300 + "." + "ä" * 99, "ü" * 50 + "." + "ä" * 11),
    ],
)
def test_names_are_those_of_new_files_in_one_folder(given, safe):
    assert safe_name(given, ()) == safe
    assert len(safe.encode()) < 255
    assert safe_name(given, (safe,)) != safe


def test_files_of_one_name_are_two_clips(server):
    said = server.post("search", as_file("wave", 1), as_file("wave", 2, "wave-1.npy")).json()
    assert [one["source"] for one in said["answers"]] == ["wave-1.npy", "wave-1 (2).npy"]


def test_too_many_frames_are_told(server):
    long = np.concatenate([clip("wave", seed) for seed in range(6)], axis=1)[:, :401]
    said = server.post("classify", ("clip", ("long.npy", npy(long.astype("f2")))))
    assert said.status_code == 422
    assert "401 frames, more than the 400 that this server takes" in said.json()["error"]


@pytest.fixture(scope="module")
def narrow(encoder, tmp_path_factory):
    """A server with little memory and few joints."""
    limits = Limits(readers=1, memory=100 * MEGABYTE, joints=20)
    with Server(encoder, tmp_path_factory.mktemp("narrow") / "stars.db", limits=limits) as running:
        yield running


def test_too_many_joints_are_told(narrow):
    said = narrow.post("embed", as_file("wave", 1))
    assert "25 joints, more than the 20 that this server takes" in said.json()["error"]


def test_an_archive_that_grows_is_refused_and_the_server_lives(narrow):
    """A fraction of a megabyte that becomes 200."""
    header = io.BytesIO()
    shape = (20_000, 100, 25)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("joints.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(4 * int(np.prod(shape)) // 10**6):
            member.write(bytes(10**6))
    assert len(file.getvalue()) < 2 * MEGABYTE
    said = narrow.post("embed", ("clip", ("bomb.npz", file.getvalue())))
    assert said.status_code == 422, said.text
    assert narrow.client.get("/readyz").status_code == 200
    assert narrow.post("embed", as_file("wave", 1)).status_code == 422


@pytest.mark.parametrize(
    ("does", "says"),
    [("while True: pass", "took longer than 2 s to read"), ("os._exit(9)", "crashed its reader"),
     ("raise MemoryError", "takes more than 100 MB to read")],
)  # fmt: skip
def test_a_reader_that_hangs_or_dies_is_replaced(narrow, monkeypatch, does, says):
    monkeypatch.setattr(reading, "_read_clips", _Misbehaving(does))
    own = narrow.service._reading
    monkeypatch.setattr(own, "_limits", replace(own._limits, seconds=2))
    said = narrow.post("embed", as_file("wave", 1))
    assert (said.status_code, says in said.json()["error"]) == (422, True), said.text
    monkeypatch.undo()
    assert "25 joints" in narrow.post("embed", as_file("wave", 1)).json()["error"]


class _Misbehaving:
    """Runs in the process that reads."""

    def __init__(self, does):
        self.does = does

    def __reduce__(self):
        return _made, (self.does,)


def _made(does):
    code = compile(f"import os\n{does}", "misbehaving", "exec")
    return lambda upload: exec(code, {})


def test_a_skeleton_beside_a_motion_is_no_clip(server):
    said = server.post("embed", ("clip", ("a.asf", b":version 1.10\n")))
    assert "name the .amc beside it" in said.json()["error"]
    said = server.post("embed", ("clip", ("a.amc", b"1\n")), ("clip", ("a.asf", b":x\n")))
    assert said.json()["source"] in ("a.amc", "a.asf")
    assert "/tmp" not in said.text
