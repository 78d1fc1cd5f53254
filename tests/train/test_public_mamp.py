import pickle

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
