import pickle
import zipfile

import pytest
import torch

from stars_infer.errors import ModelError
from stars_infer.train.public_mamp import read_public_mamp
from stars_infer.train.run import RunConfig
from tests import public_mamp


def test_shape_follows_from_the_tensors(tmp_path):
    weights = public_mamp.random_weights(width=32, depth=3, decoder_depth=2, segment=3, segments=20)
    checkpoint = read_public_mamp(public_mamp.save(weights, tmp_path / "x.pth"), heads=4)
    config = RunConfig.from_json(checkpoint.config, source="x")
    shape = config.encoder
    assert (shape.width, shape.depth, shape.heads) == (32, 3, 4)
    assert (shape.segment, shape.frames) == (3, 60)
    assert config.settings.decoder_depth == 2
    assert config.views.absent_bodies == "zeros"


def refusal(path):
    with pytest.raises(ModelError) as caught:
        read_public_mamp(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_what_is_no_mamp_checkpoint(tmp_path):
    path = tmp_path / "x.pth"
    assert "no such file" in refusal(path)
    path.write_bytes(b"nonsense")
    assert "not a readable torch checkpoint" in refusal(path)
    path.write_bytes(pickle.dumps(Bomb()))
    assert "not a readable torch checkpoint" in refusal(path)
    torch.save({"model": Bomb()}, path)
    assert "not a readable torch checkpoint" in refusal(path)
    torch.save({"state_dict": {}}, path)
    assert "under the key 'model'" in refusal(path)
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, path)
    assert "has no tensor 'joints_embed.proj.weight'" in refusal(path)


def test_weights_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "x.pth"
    weights = public_mamp.random_weights()
    del weights["blocks.1.mlp.fc1.bias"]
    assert "encoder.blocks.1.mlp.0.bias" in refusal(public_mamp.save(weights, path))
    weights = public_mamp.random_weights() | {"head.weight": torch.zeros(3, 3)}
    assert "encoder.head.weight" in refusal(public_mamp.save(weights, path))
    weights = public_mamp.random_weights() | {"norm.weight": torch.zeros(3)}
    assert "encoder.norm.weight" in refusal(public_mamp.save(weights, path))
    weights = public_mamp.random_weights()
    weights["pos_embed"] = weights["pos_embed"][:, :, :20]
    weights["decoder_pos_embed"] = weights["decoder_pos_embed"][:, :, :20]
    assert "expected 25 joints, the checkpoint has 20" in refusal(public_mamp.save(weights, path))


def test_odd_names_and_shapes_are_refused_before_a_network_is_made(tmp_path):
    path = tmp_path / "x.pth"
    weights = public_mamp.random_weights()
    for name, said in (("blocks.x.norm1.bias", "'x'"), ("blocks.99999999.norm1.bias", "99999999")):
        odd = {**weights, name: torch.zeros(16)}
        assert said in refusal(public_mamp.save(odd, path))
    odd = {**weights, "joints_embed.proj.weight": torch.zeros(3, 3)}
    assert "not a MAMP checkpoint" in refusal(public_mamp.save(odd, path))
    odd = {**weights, "joints_embed.proj.weight": torch.zeros(20_000, 3, 4, 1)}
    assert "does not fit" in refusal(public_mamp.save(odd, path))  # of 20,000 x 60,000 weights


def test_files_that_show_more_than_they_hold_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    weights = public_mamp.random_weights()
    odd = {**weights, "mask_token": torch.zeros(1).expand(1, 10**9, 16)}
    assert "more than the file has" in refusal(public_mamp.save(odd, path))
    odd = {**weights, "mask_token": torch.zeros(1, 1, 16, device="meta")}
    assert "no plain tensor" in refusal(public_mamp.save(odd, path))
    packed = tmp_path / "packed.pth"
    odd = {**weights, "mask_token": torch.zeros(1, 1, 2_000_000)}
    with (
        zipfile.ZipFile(public_mamp.save(odd, path)) as stored,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in stored.namelist():
            archive.writestr(name, stored.read(name))
    assert "it unpacks to" in refusal(packed)
