"""The references compute what they are to be compared with, and tables say what was measured."""

import embed
import gpu
import numpy as np
import parse
import pytest
import torch
from report import report

from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.encoder.encoder import Encoder
from stars_infer.readers.files import read_clip
from stars_infer.runtimes.runtime import RuntimeChoice
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SkeletonEncoder(EncoderConfig(frames=16, depth=2)).eval()


@pytest.mark.parametrize("bodies", [1, 2])
def test_reference_has_the_weights_of_the_network(network, bodies):
    clips = embed.example_clips(bodies, 2, 16)
    assert {len(clip) for clip in clips} == {bodies}
    with torch.no_grad():
        expected = np.stack([network.pool(torch.from_numpy(c)).mean(0).numpy() for c in clips])
    got = embed.plain(network).embed(clips)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert smallest_cosine(got[:1], expected[1:]) < 0.99999


def test_every_contender_runs_every_round_and_the_first_is_not_counted():
    calls = []

    def contender(name, value):
        def run(clips):
            calls.append(name)
            return np.full((len(clips), 2), value, np.float32)

        return embed.Contender(name=name, embed=run, precision="fp32")

    medians, vectors = embed.interleaved([contender("a", 1), contender("b", 2)], [np.ones(1)], 3)
    assert calls == ["a", "b"] * 4
    assert set(medians) == {"a", "b"}
    assert vectors["b"][0, 0] == 2


def test_operations_of_the_papers_network():
    assert embed.operations(EncoderConfig()) == pytest.approx(14.05e9, rel=0.01)


def test_line_by_line_reads_what_the_library_reads(tmp_path):
    for action, bodies in (("wave", 1), ("handshake", 2)):
        file = tmp_path / f"{action}.skeleton"
        file.write_text(skeleton_text(perform(action, np.random.default_rng(0))))
        plain = parse.line_by_line(file)
        assert plain.shape[0] == bodies
        np.testing.assert_allclose(plain, read_clip(file).bodies, atol=1e-6)


def test_table_between_marks_with_its_facts(tmp_path):
    file = tmp_path / "x.md"
    file.write_text("# A\n\n<!-- t -->\nold\n<!-- end of t -->\n\nB\n")
    report("Some CPU.", [["a", "b"], ["1", "2"]], file, "t")
    assert file.read_text() == (
        "# A\n\n<!-- t -->\nSome CPU.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
        "<!-- end of t -->\n\nB\n"
    )
    report("Other.", [["a", "b"], ["3", "4"]], None, "t")
    assert "| 1 | 2 |" in file.read_text()


def test_gpu_rows_need_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert "no CUDA GPU runs here" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)


def test_gpu_rows_by_what_is_here(tmp_path, monkeypatch):
    """The whole of the measurement, with the CPU as the device."""
    monkeypatch.setattr(gpu, "TIMED", 0.01)
    shape = EncoderConfig(frames=16, width=32, depth=1, heads=2)
    model = gpu.papers_model(shape, tmp_path, [1, 2])
    assert (model / "encoder.fp16.onnx").exists()
    rate = 1e9
    rows = gpu.embedding_rows(model, shape, [RuntimeChoice(device="cpu")], [1, 2], rate)
    assert [row[:2] for row in rows] == [["cpu fp32", "1"], ["cpu fp32", "2"]]
    for row in rows:
        done = float(row[2].replace(",", ""))
        share = float(row[3].rstrip("%")) / 100
        assert share == pytest.approx(done * embed.operations(shape) / rate, rel=0.05, abs=1e-3)
        assert float(row[4]) > 0.999
    assert gpu.projected_hours("mamp", 400 * 40_091 / 3600) == pytest.approx(1)


def test_training_rows_add_up(monkeypatch):
    """Two stages with both slots and with present bodies, then the sums."""
    monkeypatch.setattr(gpu, "own_step", lambda *a, compiled: a)
    monkeypatch.setattr(gpu, "seconds", lambda step, timing: 0.1 if "zeros" in step else 0.05)
    rows = gpu.training_rows("cpu", "32-true", 100, 1, 1e15)
    assert [row[:2] for row in rows] == [
        ["mamp", "both slots"], ["mamp", "present"], ["stars", "both slots"], ["stars", "present"],
        ["both", "both slots"], ["both", "present"],
    ]  # fmt: skip
    assert [row[2] for row in rows[:4]] == ["1,000", "2,000"] * 2
    hours = [float(row[4]) for row in rows]
    assert hours[4] == pytest.approx(hours[0] + hours[2], abs=0.011)
    assert hours[4] == pytest.approx(2 * hours[5], abs=0.011)
    assert rows[0][3] == rows[1][3]  # half the bodies in half the time


def test_plain_preparation_of_one_body_is_the_papers(tmp_path):
    (file,) = parse.synthetic(tmp_path, 1, ("wave",))
    parse.check_alike(file)
    pair = parse.plainly_prepared(
        parse.line_by_line(parse.synthetic(tmp_path, 1, ("handshake",))[0])
    )
    assert pair.shape == (2, 120, 25, 3)


def test_many_files_by_one_process_and_by_several(tmp_path):
    _, *rows = parse.many_files(Encoder.load(), 2 * parse.synthetic(tmp_path, 3, ("wave", "clap")))
    assert [row[1] for row in rows] == ["6"] * len(rows)
    assert rows[0][0] == "1"
    assert float(rows[0][4]) == 1
