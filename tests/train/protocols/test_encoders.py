import pytest

from stars_infer.errors import ModelError, UsageError
from stars_infer.train.checkpoint import load_checkpoint, save_checkpoint
from stars_infer.train.protocols.encoders import load_encoder


def test_results_lie_below_the_run_and_those_of_its_best_epoch_apart(trained, tmp_path):
    run = trained / "stars"
    assert load_encoder(str(run)).results == run / "eval"
    assert load_encoder(str(run / "checkpoint.safetensors")).results == run / "eval"
    save_checkpoint(load_checkpoint(run), tmp_path, name="best.safetensors")
    best = load_encoder(str(tmp_path / "best.safetensors"))
    assert best.results == tmp_path / "eval" / "best"
    assert best.title == "STARS"
    assert load_encoder("random").results is None


def test_what_cannot_be_loaded(tmp_path, trained):
    with pytest.raises(ModelError, match="no checkpoint"):
        load_encoder(str(tmp_path))
    with pytest.raises(UsageError, match="--like"):
        load_encoder(str(trained / "mamp"), like=trained / "mamp")
    with pytest.raises(UsageError, match="name a pack with --data"):
        load_encoder("random").default_data()


def test_random_weights_take_a_shape_and_follow_the_seed(trained):
    one, same, other = (load_encoder("random", like=trained / "mamp", seed=s) for s in (1, 1, 2))
    assert one.shape.width == 32
    weights = [e.encoder.embed.weight for e in (one, same, other)]
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()
    assert load_encoder("random").shape.width == 256
