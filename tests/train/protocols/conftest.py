"""A pack of clearly different motions by several people, and a tiny encoder."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from stars_infer.train.datasets.pack import Pack, PackWriter, SourceClip
from stars_infer.train.datasets.splits import add_split
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.task import open_task
from stars_infer.train.views.config import ViewConfig

ACTIONS = ("bow", "jump", "wave")


def motion(action, person, take):
    """Actors (1 or 2, T, 25, 3): each action moves its own joint along its own axis."""
    random = np.random.default_rng([ACTIONS.index(action), person, take])
    frames = 30 + 7 * person + take
    joints = np.tile(random.normal(scale=0.02, size=(1, 1, 25, 3)), (1 + take % 2, frames, 1, 1))
    place = ACTIONS.index(action)
    joints[:, :, 8 * place + 1, place] += np.sin(np.linspace(0, 6, frames))
    return joints.astype(np.float32)


def write_pack(folder, *, people=4, takes=3, label=str, **facts):
    with PackWriter(folder, **facts) as writer:
        for person in range(people):
            for take in range(takes):
                for action in ACTIONS:
                    writer.add(
                        SourceClip(
                            actors=motion(action, person, take),
                            label=label(action),
                            subject=f"p{person}",
                            source=f"p{person}/{action}-{take}",
                        )
                    )
    add_split(folder, "xsub", train=["p0/*", "p1/*"], test=["p2/*", "p3/*"])
    return folder


@pytest.fixture(scope="session")
def pack(tmp_path_factory):
    """Folder of a pack that says it is NTU-60."""
    return write_pack(tmp_path_factory.mktemp("packs") / "three", dataset="ntu60")


@pytest.fixture
def task(pack):
    return open_task(pack, "xsub")


@pytest.fixture(scope="session")
def whole(pack):
    return Pack.open(pack)


@pytest.fixture
def measured():
    torch.manual_seed(0)
    shape = EncoderConfig(width=16, depth=2, heads=2)
    return MeasuredEncoder(run="random", encoder=SkeletonEncoder(shape).eval(), views=ViewConfig())


@pytest.fixture(scope="session")
def fabric():
    return Fabric(accelerator="cpu", devices=1)
