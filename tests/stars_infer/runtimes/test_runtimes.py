import dataclasses
import json
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer import Encoder
from stars_infer.bench import timing
from stars_infer.bench.network import Measured, best_of, measure
from stars_infer.bench.timing import Times, time_calls
from stars_infer.encoder.agreement import example_bodies, reference_vectors, smallest_cosine
from stars_infer.encoder.model import GRAPH_FILE, read_model_info
from stars_infer.errors import (
    MissingExtraError,
    ModelError,
    ProviderError,
    StarsWarning,
    UsageError,
)
from stars_infer.machine import cpu_name, resident_memory
from stars_infer.runtimes import all_cores, onnxruntime, openvino
from stars_infer.runtimes.forms import INT8_FILE
from stars_infer.runtimes.open import available_choices, available_devices, open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice
from stars_infer.runtimes.saved import (
    SavedRuntime,
    open_default,
    read_saved_runtime,
    save_runtime,
    saved_file,
)

CPU = RuntimeChoice(device="cpu", threads=1, batch=3)


@pytest.fixture
def graph(tiny_model):
    return tiny_model / GRAPH_FILE


@pytest.fixture
def info(tiny_model):
    return read_model_info(tiny_model)


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """A folder of settings of its own."""
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path / "settings" / name))
    return tmp_path / "settings" / "stars-infer"


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.setattr(openvino, "find_spec", lambda name: None)


@pytest.fixture
def without_onnxruntime(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)


def saved(info, choice=CPU, **changes):
    kept = SavedRuntime(
        choice=choice,
        model=info.name,
        fingerprint=info.fingerprint,
        cpu=cpu_name(),
        clips_per_second=10.0,
        measured="2026-01-02",
    )
    kept = dataclasses.replace(kept, **changes)
    save_runtime(kept)
    return kept


def test_choices_as_the_option_spells_them():
    assert RuntimeChoice.parse("cpu") == RuntimeChoice(device="cpu", precision="fp32")
    assert RuntimeChoice.parse("openvino:bf16").precision == "bf16"
    assert str(CPU) == "cpu fp32, 1 thread"
    assert str(RuntimeChoice(device="openvino", precision="bf16", threads=2)).endswith("2 threads")
    for wrong in ("openvino:", "openvino:fp8"):
        with pytest.raises(
            UsageError, match="expected one of fp32, bf16, fp16, int8, as in --device openvino:bf16"
        ):
            RuntimeChoice.parse(wrong)
    with pytest.raises(UsageError, match="batch must be a whole number and at least 1, not 0"):
        RuntimeChoice(device="cpu", batch=0)


def test_every_runtime_gives_the_vectors_of_float32(graph, info):
    bodies = example_bodies(info)
    reference = reference_vectors(graph, bodies)
    choices = available_choices(graph)
    assert RuntimeChoice(device="cpu") in choices
    for how in choices:
        runtime = open_runtime(graph, how)
        vectors = np.concatenate([runtime.run(bodies[:1]), runtime.run(bodies[1:])])
        assert vectors.dtype == np.float32
        least = 0.999999 if how.precision == "fp32" else 0.999
        assert smallest_cosine(vectors, reference) >= least, how


def test_what_a_run_gave_stays_when_it_runs_again(graph, info):
    """A runtime that hands out its own buffer would overwrite it."""
    bodies = example_bodies(info)
    for how in available_choices(graph):
        runtime = open_runtime(graph, how)
        first = runtime.run(bodies[:1])
        kept = first.copy()
        runtime.run(bodies[1:2])
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_bodies_keep_their_order_when_cores_share_them(graph, info, count, monkeypatch):
    monkeypatch.setattr("stars_infer.runtimes.open.usable_cores", lambda: 2)
    monkeypatch.setattr(all_cores, "usable_cores", lambda: 2)
    bodies = example_bodies(info)[:count]
    runtime = open_runtime(graph, RuntimeChoice(device="cpu"))
    assert isinstance(runtime, all_cores.AllCores)
    assert runtime.choice.batch == 2 * all_cores.ROUNDS
    one_by_one = open_runtime(graph, RuntimeChoice(device="cpu", threads=1))
    assert not isinstance(one_by_one, all_cores.AllCores)
    expected = np.concatenate([one_by_one.run(body[None]) for body in bodies])
    np.testing.assert_allclose(runtime.run(bodies), expected, atol=1e-5)


def test_one_core_has_one_session(graph, monkeypatch):
    monkeypatch.setattr("stars_infer.runtimes.open.usable_cores", lambda: 1)
    runtime = open_runtime(graph, RuntimeChoice(device="cpu"))
    assert not isinstance(runtime, all_cores.AllCores)


@pytest.mark.parametrize(
    ("threads", "allowed", "machine", "set_to", "spins"),
    [(None, 1, 2, 1, True), (None, 2, 2, 0, True), (2, 1, 2, 2, False), (2, 2, 2, 2, True),
     (4, 2, 64, 4, False), (None, 8, 64, 8, True), (1, 1, 1, 1, True), (None, 1, 1, 0, True)],
)  # fmt: skip
def test_threads_do_not_spin_where_cores_are_few(
    graph, monkeypatch, threads, allowed, machine, set_to, spins
):
    monkeypatch.setattr(onnxruntime, "usable_cores", lambda: allowed)
    monkeypatch.setattr("os.cpu_count", lambda: machine)
    options = onnxruntime.open_session(graph, "cpu", threads=threads).get_session_options()
    assert options.intra_op_num_threads == set_to
    if spins:
        with pytest.raises(RuntimeError):  # not set, which is to spin
            options.get_session_config_entry(onnxruntime._SPINNING)
    else:
        assert options.get_session_config_entry(onnxruntime._SPINNING) == "0"


def test_int8_is_a_precision_where_the_model_has_it(graph, info, tmp_path):
    assert (graph.with_name(INT8_FILE)).exists()
    assert RuntimeChoice(device="cpu", precision="int8") in available_choices(graph)
    exact, rounded = (
        Encoder.load(graph.parent, device=device).embed_bodies(example_bodies(info))
        for device in ("cpu", "cpu:int8")
    )
    assert np.abs(exact - rounded).max() > 0
    assert smallest_cosine(rounded, exact) >= 0.999
    shutil.copy(graph, tmp_path)
    assert RuntimeChoice(device="cpu", precision="int8") not in available_choices(
        tmp_path / graph.name
    )
    with pytest.raises(ProviderError, match="no int8 form of this model here; .*--int8"):
        open_runtime(tmp_path / graph.name, RuntimeChoice(device="cpu", precision="int8"))


def test_int8_of_another_graph_is_refused(tiny_model, imported_model, tmp_path):
    shutil.copy(imported_model / GRAPH_FILE, tmp_path)
    graph = tmp_path / GRAPH_FILE
    shutil.copy(tiny_model / INT8_FILE, (graph.with_name(INT8_FILE)))
    with pytest.raises(ModelError, match=r"int8\.onnx: was not made from encoder\.onnx as it is"):
        open_runtime(graph, RuntimeChoice(device="cpu", precision="int8"))


def test_openvino_is_a_device_of_the_encoder(tiny_model, info):
    pytest.importorskip("openvino")
    encoder = Encoder.load(tiny_model, device="openvino")
    assert encoder.device == "openvino"
    bodies = example_bodies(info)
    expected = Encoder.load(tiny_model, device="cpu").embed_bodies(bodies)
    np.testing.assert_allclose(encoder.embed_bodies(bodies), expected, atol=1e-5)


def test_openvino_in_a_precision_that_the_cpu_lacks(graph, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(openvino, "precisions_of", lambda core: ("fp32",))
    with pytest.raises(ProviderError, match="'openvino:bf16' does not run here: .* fp32;"):
        open_runtime(graph, RuntimeChoice(device="openvino", precision="bf16"))


def test_openvino_refuses_a_damaged_graph(tmp_path):
    pytest.importorskip("openvino")
    (tmp_path / "encoder.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"encoder\.onnx: OpenVINO cannot load it: \S+"):
        open_runtime(tmp_path / "encoder.onnx", RuntimeChoice(device="openvino"))


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_the_device_says_what_to_install(graph):
    if "openvino" in available_devices():
        pytest.skip("this ONNX Runtime brings OpenVINO as a provider")
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[openvino\]'"):
        open_runtime(graph, RuntimeChoice(device="openvino"))
    assert all(choice.device != "openvino" for choice in available_choices(graph))


@pytest.mark.usefixtures("without_onnxruntime")
def test_openvino_alone_is_enough(tiny_model, info):
    pytest.importorskip("openvino")
    encoder = Encoder.load(tiny_model)
    assert encoder.embed_bodies(example_bodies(info)).shape[1] == info.width
    assert encoder.device == "openvino"
    assert available_devices() == ["openvino"]
    with pytest.raises(ProviderError, match="'cpu' is not available here; there is: openvino"):
        Encoder.load(tiny_model, device="cpu")


@pytest.mark.usefixtures("without_onnxruntime", "without_openvino")
def test_no_runtime_at_all(tiny_model):
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[cpu\]'"):
        Encoder.load(tiny_model).open()


def test_bf16_is_not_promised_by_onnx_runtime(graph):
    with pytest.raises(
        ProviderError, match="'cpu' does not run in bf16, which is for openvino: pip"
    ):
        open_runtime(graph, RuntimeChoice(device="cpu", precision="bf16"))


def test_saved_choice_is_obeyed(tiny_model, info):
    assert Encoder.load(tiny_model).runtime.threads is None
    kept = saved(info)
    assert read_saved_runtime() == kept
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = Encoder.load(tiny_model)
        assert encoder.runtime == CPU
    assert encoder.batch == 3
    assert encoder.embed_bodies(example_bodies(info)).shape == (9, info.width)


def test_device_overrules_the_saved_choice(tiny_model, info):
    saved(info)
    assert Encoder.load(tiny_model, device="cpu").runtime.threads is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fingerprint": "0" * 64, "model": "other"}, "measured for another model, 'other'"),
        ({"cpu": "Z80"}, "measured on another processor, Z80"),
        ({"choice": RuntimeChoice(device="coreml")}, "no longer runs: .*not available"),
    ],
)
def test_saved_choice_that_does_not_fit_is_left_aside(graph, info, changes, says):
    saved(info, **changes)
    with pytest.warns(StarsWarning, match=says) as caught:
        runtime = open_default(graph, info.fingerprint)
    assert runtime.choice == open_runtime(graph, RuntimeChoice(device="cpu")).choice
    assert "`stars bench --save` makes a new one" in str(caught[0].message)
    assert str(saved_file()) in str(caught[0].message)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"schema": 9}', '{"schema": 1}', '{"schema": 1, "choice": {"device": 3, "x": 1}}'],
)
def test_damaged_choice_is_left_aside(graph, info, settings, text):
    settings.mkdir(parents=True)
    (settings / "runtime.json").write_text(text)
    with pytest.warns(
        StarsWarning, match=r"runtime\.json: (unknown schema|not a readable runtime)"
    ):
        open_default(graph, info.fingerprint)


def test_kept_file_is_plain_json(info, settings):
    saved(info)
    values = json.loads((settings / "runtime.json").read_text())
    assert values["choice"] == {"device": "cpu", "precision": "fp32", "threads": 1, "batch": 3}
    assert [path.name for path in settings.iterdir()] == ["runtime.json"]


class Wrong:
    """A runtime that is fast and gives other vectors."""

    choice = RuntimeChoice(device="openvino", precision="bf16", batch=1)

    def __init__(self, width):
        self._width = width

    def run(self, bodies):
        return np.ones((len(bodies), self._width), np.float32)


def test_runtime_that_gives_other_vectors_is_never_chosen(graph, info):
    bodies = example_bodies(info)
    reference = reference_vectors(graph, bodies)
    wrong = measure(
        graph, Wrong.choice, bodies, reference, seconds=0.01, opener=lambda *_: Wrong(info.width)
    )
    right = measure(graph, CPU, bodies, reference, seconds=0.01, batches=(1,))
    assert not any(row.exact for row in wrong)
    assert max(r.clips_per_second for r in wrong) > max(r.clips_per_second for r in right)
    best = best_of([*wrong, *right])
    assert best is right[0]
    assert best_of(wrong) is None


def row(rate, batch, agreement=1.0):
    times = Times(p50=batch / rate, p95=batch / rate, calls=1)
    how = RuntimeChoice(device="cpu", batch=batch)
    return Measured(how=how, times=times, memory=None, agreement=agreement)


def test_best_is_fastest_and_of_nearly_as_fast_ones_the_smallest_batch():
    assert best_of([row(10, 1), row(20, 8), row(20.5, 32)]).how.batch == 8
    assert best_of([row(10, 1), row(20, 8), row(30, 32)]).how.batch == 32
    assert best_of([row(10, 1), row(30, 32, 0.9989)]).how.batch == 1


def test_batches_that_take_too_long_are_left_out(graph, info, monkeypatch):
    now = 0.0
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now))

    class Slow(Wrong):
        def run(self, bodies):
            nonlocal now
            now += 0.01 * len(bodies)
            return super().run(bodies)

    bodies = example_bodies(info)[:1]
    reference = reference_vectors(graph, bodies)
    rows = measure(graph, CPU, bodies, reference, seconds=0.05, opener=lambda *_: Slow(info.width))
    assert [row.how.batch for row in rows] == [1, 8]


def test_vectors_that_are_not_numbers_do_not_agree():
    good = np.ones((2, 3), np.float32)
    assert smallest_cosine(good, good) == pytest.approx(1)
    assert smallest_cosine(good * np.nan, good) == -1
    assert smallest_cosine(good[:1], good) == -1
    assert smallest_cosine(np.stack([good[0], [1, 0, 0]]), good) == pytest.approx(3**-0.5)


def test_times_of_calls():
    calls = []
    times = time_calls(lambda: calls.append(1), 0.0)
    assert (len(calls), times.calls) == (2, 1)
    assert 0 < times.p50 <= times.p95 < 60


def test_memory_of_this_process():
    memory = resident_memory()
    if memory is None:
        pytest.skip("this system does not say")
    assert 2**23 < memory < 2**37


@pytest.mark.parametrize("name", ["stars-mocap"])  # the small one has no int8 form
def test_int8_of_the_shipped_models_belongs_to_them(name):
    """What came with the installation opens as it is."""
    exact, rounded = (Encoder.load(name, device=device) for device in ("cpu", "cpu:int8"))
    body = example_bodies(exact.info)[:1]
    assert smallest_cosine(rounded.embed_bodies(body), exact.embed_bodies(body)) >= 0.999
