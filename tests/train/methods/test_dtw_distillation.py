"""Tuning by similarity: landmarks, what they make of clips, and what an encoder learns of it."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stars_infer.encoder.model import read_model_info
from stars_infer.errors import UsageError
from stars_infer.preprocessing.resample import resize
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.train.methods.dtw import motion_sequences
from stars_infer.train.methods.dtw_distillation import DTWDistillation, DTWDistillationConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch
from tests.conftest import call_stars
from tests.train.plain_dtw import plain_sequences, plain_similarities

SHAPE = EncoderConfig(width=16, depth=2, heads=2, frames=64)
TOKENS = SHAPE.segments * SHAPE.joints


def batch_of(clips=8, seed=0, pairs=()):
    """Synthetic clips; those whose numbers are in `pairs` have two bodies."""
    random = np.random.default_rng(seed)
    bodies, clip = [], []
    for number in range(clips):
        name = "handshake" if number in pairs else ACTIONS[random.integers(len(ACTIONS) - 1)]
        made = resize(perform(name, random), SHAPE.frames)
        bodies.extend(made)
        clip += [number] * len(made)
    noise = torch.rand(len(clip), TOKENS, generator=torch.Generator().manual_seed(seed))
    return Batch(
        bodies=torch.from_numpy(np.stack(bodies)).float(),
        clip=torch.tensor(clip),
        clips=clips,
        noise=noise,
    )


def made(**settings):
    torch.manual_seed(0)
    return DTWDistillation(SHAPE, DTWDistillationConfig(**settings)).train()


def placed(**settings):
    """A method with its landmarks."""
    method = made(**settings)
    for seed in (0, 1):
        _, keys = method(batch_of(seed=seed))
        method.after_step(keys)
    assert method.ready
    return method


def test_the_first_clips_are_the_landmarks_and_teach_nothing():
    method = made()
    loss, keys = method(batch_of(9, pairs=(0, 3)))
    assert loss.item() == 0
    assert keys.shape == (9, 32 * 120)
    loss.backward()
    assert not any(p.grad.any() for p in method.parameters() if p.grad is not None)
    method.after_step(keys)
    assert not method.ready
    _, more = method(batch_of(9, seed=1))
    method.after_step(more)
    assert method.ready
    bodies = batch_of(9, pairs=(0, 3)).bodies.numpy()
    firsts = np.delete(bodies, (1, 5), axis=0)
    expected = motion_sequences(torch.from_numpy(firsts), method.how)
    np.testing.assert_allclose(method.landmarks[:9], expected, atol=1e-6)
    torch.testing.assert_close(method.landmarks[9:], more[:7].unflatten(1, (32, 120)))
    _, nothing = method(batch_of(seed=2))
    assert nothing is None


def test_vectors_of_landmarks_have_their_kernel_as_products():
    method = placed()
    seen = method._kernel(method.landmarks)
    vectors = seen @ method.mixture
    # Williams and Seeger: K (K + noise)^-1 K, which is nearly K.
    noise = 0.05 * torch.diagonal(seen).mean() * torch.eye(16)
    torch.testing.assert_close(
        vectors @ vectors.T, seen @ torch.linalg.inv(seen + noise) @ seen, atol=1e-3, rtol=1e-3
    )
    centered = F.normalize(vectors, dim=1) - method.center
    assert centered.mean(dim=0).abs().max() < 1e-5


def test_loss_by_the_formula():
    method = placed(kernel=0.5)
    batch = batch_of(4, seed=3, pairs=(1,))
    loss, _ = method(batch)
    similarity = plain_similarities(plain_sequences(batch.bodies.numpy()), method.landmarks.numpy())
    vectors = np.exp((similarity - 1) / 0.5) @ method.mixture.numpy()
    targets = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) - method.center.numpy()
    seen = int(TOKENS * (1 - 0.8))
    expected = 0.0
    for body, noise, target in zip(batch.bodies, batch.noise, targets, strict=True):
        tokens = method.encoder.tokens(body[None])[:, noise.argsort()[:seen]]
        feature = method.encoder.encode(tokens).mean(dim=1)[0]
        expected += 1 - F.cosine_similarity(feature, torch.from_numpy(target), dim=0).item()
    assert loss.item() == pytest.approx(expected / 5, abs=1e-4)


def test_nothing_left_out_sees_all_tokens():
    method = placed(mask_ratio=0.0)
    batch = batch_of(3, seed=5)
    torch.testing.assert_close(
        method.masked_features(batch), method.encoder.pool(batch.bodies), atol=1e-5, rtol=1e-4
    )


def test_parts_of_a_batch_add_up_to_it():
    method = placed()
    whole = batch_of(4, seed=3)
    parts = [
        Batch(
            bodies=whole.bodies[part],
            clip=torch.arange(2),
            clips=2,
            noise=whole.noise[part],
            share_of_bodies=0.5,
            share_of_clips=0.5,
        )
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert sum(method(part).loss.item() for part in parts) == pytest.approx(
        method(whole).loss.item(), abs=1e-5
    )


def test_all_blocks_learn_unless_some_are_named():
    for blocks, frozen in ((None, ()), (1, ("encoder.embed", "encoder.pos", "encoder.blocks.0"))):
        method = placed(tuned_blocks=blocks)
        method.zero_grad(set_to_none=True)
        method(batch_of(seed=4)).loss.backward()
        for name, parameter in method.named_parameters():
            assert (parameter.grad is None) == name.startswith(frozen or ("-",)), name


def test_a_resumed_run_keeps_its_landmarks():
    method, again = placed(), made()
    again.load_state_dict(method.state_dict())
    assert again.ready
    batch = batch_of(seed=6)
    torch.testing.assert_close(again.targets(batch.bodies), method.targets(batch.bodies))


def test_vectors_come_to_say_how_alike_clips_are():
    method = placed(mask_ratio=0.5)
    asked = batch_of(24, seed=9).bodies
    pairs = torch.triu_indices(24, 24, 1)

    def agreement():
        """Correlation of the cosines of vectors with those of what they are taught."""
        with torch.no_grad():
            cosines = [
                (F.normalize(x, dim=1) @ F.normalize(x, dim=1).T)[pairs[0], pairs[1]]
                for x in (method.encoder.pool(asked), method.targets(asked))
            ]
        return float(torch.corrcoef(torch.stack(cosines))[0, 1])

    before = agreement()
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-2)
    for step in range(50):
        optimizer.zero_grad()
        method(batch_of(seed=20 + step)).loss.backward()
        optimizer.step()
    assert agreement() > before + 0.2


def test_trained_exported_and_asked_from_the_shell(trained, recordings, tmp_path):
    run, model, vectors = tmp_path / "run", tmp_path / "model", tmp_path / "vectors.npz"
    for arguments in (
        ["train", "tune", trained / "pack", "--from", trained / "stars", "--recipe",
         "dtw-distillation",
         "--out", run, "--steps", 8, "--batch", 8, "--log-every", 1, "--accelerator", "cpu", "-q"],
        ["export", "--onnx", run, "--out", model, "--compare", "vectors", "-q"],
        ["embed", recordings, "--model", model, "--out", vectors, "-q"],
    ):  # fmt: skip
        code, _, err = call_stars(*arguments)
        assert code == 0, err
    short = [
        "--recipe",
        "dtw-distillation",
        "--out",
        tmp_path / "short",
        "--steps",
        4,
        "--batch",
        8,
    ]
    code, _, err = call_stars(
        "train", "tune", trained / "pack", "--from", trained / "stars", *short, "-q"
    )
    assert code == 2
    assert "sees 32 clips before it learns" in " ".join(err.split())
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert losses[:4] == [0] * 4  # while 32 landmarks are gathered
    assert all(0 < loss < 2 for loss in losses[4:])
    info = read_model_info(model)
    assert info.facts["method"] == "MAMP, then STARS, then dtw-distillation"
    assert info.preprocessing.face_camera
    assert info.preprocessing.standard_body
    with np.load(vectors) as kept:
        assert kept["embeddings"].shape[1] == info.width


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"kernel": 0.0}, "kernel must be above 0"), ({"mask_ratio": 1.0}, "mask_ratio is a share")],
)
def test_impossible_constants_are_refused(settings, says):
    with pytest.raises(UsageError, match=says):
        DTWDistillationConfig(**settings)
