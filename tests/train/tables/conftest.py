"""Raw miniatures of all data sets in one folder, and settings that make runs of seconds."""

import pytest

from tests import miniature
from tests.conftest import call_stars

TINY = (
    "steps=2", "batch=8", "warmup=0", "log_every=1", "keep=2", "queue=64", "hidden=16",
    "projection=8", "prototypes=24", "bottleneck=8", "decoder_depth=1", "mask_heads=2",
    "pretrain.width=16", "pretrain.depth=3", "pretrain.heads=2", "pretrain.frames=36",
    "linear.epochs=3", "linear.crops=2", "linear.samplings=2", "fewshot.draws=2", "semi.runs=1",
    "finetune.samplings=2", "semi.samplings=2", "transfer.samplings=2",
)  # fmt: skip


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """Folder of the four data sets as they are downloaded, in small."""
    folder = tmp_path_factory.mktemp("raw")
    for name in ("ntu60", "ntu120"):
        miniature.write_ntu(folder / name, dataset=name)
    for part in (1, 2):
        miniature.write_pku(folder / f"pku{part}", part=part)
    return folder


@pytest.fixture
def run_here():
    """Runs a command of `stars` in this process, as `run_nodes` wants it."""

    def run(arguments):
        # A miniature holds files that cannot be read; the rest of the set is prepared all the same.
        code, _, err = call_stars(*arguments)
        if code and arguments[0] != "data":
            raise AssertionError(f"stars {' '.join(arguments)}: {err}")
        return code

    return run
