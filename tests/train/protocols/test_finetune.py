"""Fine-tuning, semi-supervised and transfer; the network's own parts are in test_classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train import loop
from stars_infer.train.checkpoint import Checkpoint, load_checkpoint
from stars_infer.train.protocols.encoders import load_encoder
from stars_infer.train.protocols.finetune import (
    FinetuneSettings,
    TrainingStoppedError,
    classify_clips,
    finetune,
    finetune_config,
)
from stars_infer.train.protocols.semi import sample_labels, semi
from stars_infer.train.protocols.transfer import transfer
from stars_infer.train.recipe import load_recipe
from stars_infer.train.run import build_method

SHORT = {"epochs": 15, "batch": 6, "warmup": 2, "hidden": 32, "lr": 3e-3, "shortest_frames": 20}


def how(fabric, out, **flags):
    return FinetuneSettings(fabric=fabric, out=out, flags={**SHORT, **flags})


def test_recipe_is_the_papers(task, measured, fabric, tmp_path):
    config = finetune_config(
        measured, task, task.train, how=FinetuneSettings(fabric=fabric, out=tmp_path, flags={})
    )
    loop, settings = config.loop, config.settings
    assert (loop.epochs, loop.batch, loop.warmup, loop.layer_decay) == (100, 48, 5, 0.8)
    assert (loop.lr, loop.final_lr, loop.weight_decay) == (3e-4, 1e-5, 0.05)
    assert (settings.classes, settings.hidden, settings.beta2) == (3, 2048, 0.999)
    assert (settings.dropout, settings.drop_path, settings.label_smoothing) == (0.3, 0.3, 0.1)
    assert (config.views.shortest_crop, config.views.rotation) == (0.5, 0.3)
    wrong = FinetuneSettings(fabric=fabric, out=tmp_path, recipe=load_recipe("mamp"))
    with pytest.raises(UsageError, match="mamp learns without labels"):
        finetune_config(measured, task, task.train, how=wrong)


def test_finetuning_learns_three_motions(task, measured, fabric, tmp_path):
    still = {"rotation": 0.0, "dropout": 0.0, "drop_path": 0.0, "lr": 1e-2}
    result = finetune(measured, task, how=how(fabric, tmp_path / "run", **still))
    assert result.scores[0].accuracy > 80
    assert result.embedding.shape == (18, 16)
    with pytest.raises(UsageError, match="pass --resume to go on"):
        finetune(measured, task, how=how(fabric, tmp_path / "run", **still))
    resumed = replace(how(fabric, tmp_path / "run", **still), resume=True)
    again = finetune(measured, task, how=resumed)
    assert (again.predictions["accuracy"] == result.predictions["accuracy"]).all()


def test_finetuning_as_skeattnclr(task, measured, fabric, tmp_path):
    setting = FinetuneSettings(
        fabric=fabric,
        out=tmp_path,
        recipe=load_recipe("finetune-skeattnclr"),
        flags={"epochs": 4, "batch": 6, "plateau": 0, "lr": 1e-12},
        crop=1.0,
    )
    result = finetune(measured, task, how=setting)
    assert result.settings["settings"]["head"] == "linear"
    history = load_checkpoint(tmp_path).history["plateau"]
    # A rate of next to nothing lowers no loss: it drops after the second epoch at the latest.
    assert history["last_epoch"] == 4
    assert history["factor"] <= 0.1


def test_a_plateau_goes_on_where_a_fine_tuning_was_stopped(
    task, measured, fabric, tmp_path, monkeypatch
):
    """Three steps an epoch, of which the second is stopped in its middle; no loss gets lower."""
    flags = {"epochs": 3, "batch": 6, "plateau": 0, "lr": 1e-12}
    recipe = load_recipe("finetune-skeattnclr")

    def tuned(out, **more):
        how = FinetuneSettings(fabric=fabric, out=out, recipe=recipe, flags=flags, **more)
        return finetune(measured, task, how=how)

    whole = tuned(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_any_stops", lambda stop, step, device: step == 4)
        with pytest.raises(TrainingStoppedError):
            tuned(tmp_path / "stopped")
    resumed = tuned(tmp_path / "stopped", resume=True)
    kept = [load_checkpoint(tmp_path / name).history["plateau"] for name in ("whole", "stopped")]
    assert kept[0] == kept[1]
    assert kept[0]["factor"] < 1
    scores = [result.class_scores["accuracy"] for result in (whole, resumed)]
    np.testing.assert_array_equal(*scores)


def test_actions_keep_their_names_where_some_were_not_shown(task, measured, fabric, tmp_path):
    """The classifier numbers what it was shown; its first of two is the task's second of three."""
    shown = replace(task.train, clips=tuple(c for c in task.train.clips if c.label != "bow"))
    setting = how(fabric, tmp_path)
    config = finetune_config(measured, task, shown, how=setting)
    method = build_method(config)
    with torch.no_grad():
        method.head[3].weight.zero_()
        method.head[3].bias.copy_(torch.tensor([1.0, 0.0]))
    checkpoint = Checkpoint(
        config={}, step=1, weights=method.state_dict(), optimizer={}, history={}
    )
    named = classify_clips(checkpoint, config, task, shown, how=setting)
    assert set(named.predictions) == {task.classes.index("jump")}


def test_labeled_shares_by_hand():
    labels = np.repeat([0, 1, 2], [100, 50, 7])
    drawn = sample_labels(labels, 0.1, seed=0)
    # Whole parts 10, 5 and, at least, 1: 16 where int(0.1 * 157) is 15.
    assert np.bincount(labels[drawn]).tolist() == [10, 5, 1]
    assert len(set(drawn)) == len(drawn)
    assert sample_labels(labels, 0.1, seed=0).tolist() == drawn.tolist()
    assert sample_labels(labels, 0.1, seed=1).tolist() != drawn.tolist()
    # 22.2 + 11.1 + 1.55 of int(34.85) = 34: the whole parts do.
    assert np.bincount(labels[sample_labels(labels, 0.222, seed=0)]).tolist() == [22, 11, 1]
    # 29.8, 14.9 and 2.09 of int(46.79) = 46: one clip is left, for the largest rest.
    assert np.bincount(labels[sample_labels(labels, 0.298, seed=0)]).tolist() == [29, 15, 2]
    assert len(sample_labels(labels, 0.1, seed=0, per_action=False)) == 15
    assert sample_labels(labels, 1.0, seed=0).tolist() == list(range(157))
    for share in (0.0, 1.5, -1):
        with pytest.raises(UsageError, match="--share"):
            sample_labels(labels, share, seed=0)
    with pytest.raises(UsageError, match="fewer than two actions"):
        sample_labels(labels, 0.01, seed=0, per_action=False)


def test_semi_supervised_runs_have_mean_and_deviation(task, measured, fabric, tmp_path):
    setting = how(fabric, tmp_path, epochs=3)
    result = semi(measured, task, how=setting, shares=[0.34, 0.67], runs=2, seed=4)
    assert [(s.setting, s.of) for s in result.scores] == [("34%", 2), ("67%", 2)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["34%-4", "34%-5", "67%-4", "67%-5"]
    each = [100 * np.mean(result.predictions[f"34% seed {n}"] == result.labels) for n in (4, 5)]
    assert result.scores[0].accuracy == pytest.approx(np.mean(each))
    assert result.scores[0].deviation == pytest.approx(np.std(each))
    assert result.confusion.sum() == 2 * 18
    assert result.settings["clips"] == 6


def test_transfer_names_both_data_sets(task, trained, measured, fabric, tmp_path):
    pretrained = load_encoder(str(trained / "mamp"))
    setting = how(fabric, tmp_path, steps=1)
    result = transfer(pretrained, task, how=setting)
    assert (result.source, result.data) == ("pack", "ntu60")
    assert "(trained on pack) on ntu60, xsub" in result.title
    with pytest.raises(UsageError, match="use `stars train eval finetune`"):
        transfer(pretrained, replace(task, data="pack"), how=setting)
    with pytest.raises(UsageError, match="random weights come from no data set"):
        transfer(measured, task, how=setting)
