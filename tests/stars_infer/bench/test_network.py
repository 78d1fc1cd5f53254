"""What `stars bench` measures, without the command."""

import pytest

from stars_infer.bench import network
from stars_infer.bench.clips import STEPS, measure_clip_steps
from stars_infer.bench.network import best_of, measure_runtimes, save_best
from stars_infer.encoder.model import GRAPH_FILE, read_model_info
from stars_infer.errors import ProviderError, UsageError
from stars_infer.machine import cpu_name
from stars_infer.runtimes import saved
from stars_infer.runtimes.runtime import RuntimeChoice

CPU, CUDA = RuntimeChoice(device="cpu", threads=1), RuntimeChoice(device="cuda")


@pytest.fixture
def info(tiny_model):
    return read_model_info(tiny_model)


@pytest.fixture
def measured_here(monkeypatch):
    """A GPU that does not run and one thread of the CPU, measured in this process."""

    def measure(graph, how, bodies, reference, *, seconds):
        if how == CUDA:
            raise ProviderError("device 'cuda' does not run here")
        return network.measure(graph, how, bodies, reference, seconds=seconds, batches=(1, 2))

    monkeypatch.setattr(network, "choices_here", lambda graph: [CUDA, CPU])
    monkeypatch.setattr(network, "measure_apart", measure)


@pytest.mark.usefixtures("measured_here")
def test_a_runtime_that_does_not_run_is_skipped_and_the_others_are_measured(tiny_model, info):
    skipped, told = [], []
    rows = list(
        measure_runtimes(
            tiny_model / GRAPH_FILE,
            info,
            seconds=0.2,  # a batch that would take far longer is left out
            skip=lambda how, error: skipped.append((how, str(error))),
            progress=lambda done, total: told.append((done, total)),
        )
    )
    assert skipped == [(CUDA, "device 'cuda' does not run here")]
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert [(row.how.device, row.how.batch) for row in rows] == [("cpu", 1), ("cpu", 2)]
    assert best_of(rows) in rows


@pytest.mark.usefixtures("measured_here")
def test_without_a_skip_its_error_is_raised(tiny_model, info):
    with pytest.raises(ProviderError, match="does not run here"):
        list(measure_runtimes(tiny_model / GRAPH_FILE, info, seconds=0.01))


def test_the_best_is_kept_for_this_model_and_processor(tiny_model, info, tmp_path, monkeypatch):
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(network, "choices_here", lambda graph: [CPU])
    monkeypatch.setattr(network, "measure_apart", network.measure)
    best = best_of(list(measure_runtimes(tiny_model / GRAPH_FILE, info, seconds=0.01)))
    file = save_best(best, info)
    assert file == saved.saved_file()
    kept = saved.read_saved_runtime()
    assert (kept.choice, kept.cpu, kept.fingerprint) == (best.how, cpu_name(), info.fingerprint)


def test_steps_of_a_clip(info):
    steps = list(measure_clip_steps(info, seconds=0.01))
    assert len(steps) == STEPS
    assert all(step.times.p95 >= step.times.p50 > 0 for step in steps)
    with pytest.raises(UsageError, match="seconds must be above 0, not 0"):
        next(measure_clip_steps(info, seconds=0))
