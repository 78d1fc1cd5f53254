"""Trains every method for a few steps on so many processes; run by test_processes.py.

    python two_processes.py PACK OUT PROCESSES [RESUME]

Each process writes the weights it ended with to OUT/METHOD/processN.safetensors.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from host_tensors import collectives_of_a_gpu
from lightning_fabric import Fabric
from random_pool import random_pool
from safetensors.torch import save_file

from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.loop import fit
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.protocols.validation import shared_features
from stars_infer.train.run import LoopConfig, RunConfig, build_method
from stars_infer.train.session import open_fabric, open_views
from stars_infer.train.views.config import ViewConfig

SMALL = {
    "mamp": {"decoder_depth": 1},
    "mae": {"decoder_depth": 1},
    "skeleton2vec": {"decoder_depth": 1, "momentum": 0.9},
    "nnclr": {"queue": 20, "hidden": 32},
    "stars": {"queue": 20, "hidden": 32},
    "head-init": {"queue": 20, "hidden": 32},
    "mamp-nnclr": {"queue": 20, "hidden": 32, "decoder_depth": 1},
    "moco": {"queue": 20, "hidden": 32, "projection": 8},
    "dino": {"prototypes": 24, "hidden": 32, "bottleneck": 8, "local_views": 1},
    "skeattnclr": {"queue": 20, "hidden": 32, "projection": 8},
    "dtw-distillation": {"mask_ratio": 0.5},
    "kernel-distillation": {},
    # What a network drops at random differs between processes by design.
    "classifier": {"hidden": 32, "dropout": 0.0, "drop_path": 0.0},
}
SHAPE = EncoderConfig(width=16, depth=2, heads=2)
# Its batch norms see the bodies of all processes, which are not as many in each.
SHAPES = {"skeattnclr": EncoderConfig(network="stgcn", width=16, depth=3)}
STEPS = 4


def main(pack: Path, out: Path, processes: int, resume: Path | None) -> None:
    """Train and write what every process holds."""
    fabric = open_fabric("cpu", processes, "32-true")
    clips = Pack.open(pack)
    for name, kind in METHODS.items():
        config = RunConfig(
            method=name,
            data=str(pack),
            clips=len(clips.clips),
            # AdamW's first steps make large ones of rounding errors; a small rate keeps them small.
            loop=LoopConfig(steps=STEPS, batch=8, log_every=1, lr=1e-4),
            encoder=SHAPES.get(name, SHAPE),
            views=ViewConfig(rotation=0.3, mirror=0.5),
            settings=kind.config_class(**SMALL[name]),
        )
        fabric.seed_everything(0, verbose=False)
        method = build_method(config)
        method.before_first_step()
        data = random_pool(SHAPE) if method.pooled else clips
        views = open_views(method, data, config, device="cpu")
        earlier = load_checkpoint(resume / name) if resume else None
        with collectives_of_a_gpu():
            fit(method, views, config, out / name, fabric=fabric, resume=earlier)
        state = {key: value.contiguous() for key, value in method.state_dict().items()}
        # The first process, which makes the folder, may be the slower one.
        (out / name).mkdir(parents=True, exist_ok=True)
        save_file(state, out / name / f"process{fabric.global_rank}.safetensors")
        fabric.barrier()
    encode_together(clips, out, fabric)


def encode_together(clips: Pack, out: Path, fabric: Fabric) -> None:
    """Write the features of a few clips, of which every process encodes some."""
    torch.manual_seed(0)
    encoder = build_encoder(SHAPE).eval()
    few = replace(clips, clips=clips.clips[:7])
    found = shared_features(few, encoder.pool, views=ViewConfig(), fabric=fabric)
    (out / "features").mkdir(parents=True, exist_ok=True)
    name = f"process{fabric.global_rank}.safetensors"
    save_file({"features": found.contiguous()}, out / "features" / name)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]) if len(sys.argv) > 4 else None,
    )
