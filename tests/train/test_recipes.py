import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.recipe import load_recipe, recipe_names
from stars_infer.train.run import RunConfig


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_of_the_package_say_command_time_and_score(name):
    recipe = load_recipe(name)
    assert f"stars train {recipe.stage} " in recipe.about
    assert "packs/ntu" in recipe.about
    assert f"--recipe {name}" in recipe.about
    assert "One H200:" in recipe.about
    assert "Paper, NTU-" in recipe.about
    start = EncoderConfig() if recipe.stage == "tune" else None
    config = recipe.configure(data="x", clips=40091, encoder=start)
    assert config.steps == int(-(-config.loop.epochs * 40091 // config.loop.batch))


def test_every_method_has_a_recipe():
    assert {load_recipe(name).method for name in recipe_names()} == set(METHODS)


def test_the_papers_constants():
    mamp = load_recipe("mamp").configure(data="x", clips=40091)
    assert (mamp.steps, mamp.warmup_steps) == (125285, 6265)
    assert (mamp.settings.tau, mamp.settings.mask_ratio, mamp.views.rotation) == (0.8, 0.9, 0.3)
    skeleton2vec = load_recipe("skeleton2vec").configure(data="x", clips=40091)
    assert (skeleton2vec.steps, skeleton2vec.warmup_steps) == (187927, 6265)
    assert (skeleton2vec.encoder.frames, skeleton2vec.encoder.segment) == (90, 3)
    assert skeleton2vec.encoder.segments // skeleton2vec.settings.tube_length == 6
    own = skeleton2vec.settings
    assert (own.beta, own.mask_ratio, own.momentum, own.decoder_depth) == (0.1, 0.9, 0.9999, 3)
    assert (skeleton2vec.loop.lr, skeleton2vec.loop.final_lr) == (1e-3, 1e-5)
    assert (own.target_layers, own.target_norm) == ("ffn", "instance")
    for name, tube in (("random", 1), ("single-tube", 30), ("multi-tube", 5)):
        other = load_recipe(f"skeleton2vec-{name}").configure(data="x", clips=40091).settings
        assert (other.tube_length, other.beta) == (tube, 0.0)
    stars = load_recipe("stars").configure(data="x", clips=40091)
    assert (stars.steps, stars.loop.layer_decay, stars.settings.queue) == (6265, 0.2, 8192)
    assert not stars.views.augments
    moco = load_recipe("moco").configure(data="x", clips=40091)
    # 32 clips on each of four GPUs; with local views, 16.
    assert (moco.loop.batch, moco.settings.queue, moco.settings.momentum) == (128, 32768, 0.999)
    dino = load_recipe("dino-local").configure(data="x", clips=40091)
    assert (dino.settings.local_views, dino.loop.batch, dino.settings.koleo) == (2, 64, 0.1)
    assert (dino.views.local_shortest, dino.views.local_longest) == (0.4, 0.8)


def test_flags_change_single_settings():
    recipe = load_recipe("stars").with_flags({"queue": 16, "mirror": 0.5, "epochs": 3})
    config = recipe.configure(data="x", clips=256)
    assert (config.settings.queue, config.views.mirror, config.steps) == (16, 0.5, 6)
    assert config.settings.temperature == 0.07
    with pytest.raises(UsageError, match="--tau does not go with the method 'stars'; its own"):
        load_recipe("stars").with_flags({"tau": 0.75})


def test_what_a_run_changes_of_its_recipe():
    stars = load_recipe("stars")
    flags = {"queue": 16, "mirror": 0.5, "seed": 3, "absent_bodies": "zeros", "precision": "x"}
    other = EncoderConfig(width=32, heads=4)
    run = stars.with_flags(flags).configure(data="packs/x", clips=9, encoder=other)
    assert stars.differences(run) == {"mirror": (0.0, 0.5), "queue": (8192, 16)}
    assert stars.with_flags({"queue": 16, "mirror": 0.5}).differences(run) == {}
    mamp = load_recipe("mamp")
    small = mamp.with_flags({"width": 32, "heads": 4, "steps": 5}).configure(data="x", clips=9)
    assert mamp.differences(small) == {"steps": (None, 5), "width": (256, 32), "heads": (8, 4)}
    assert mamp.differences(run) == {"method": ("mamp", "stars")}
    motion = load_recipe("skeattnclr").with_flags({"stream": "motion"})
    made = motion.configure(data="x", clips=9)
    assert motion.differences(made) == {}
    assert load_recipe("skeattnclr").differences(made) == {"stream": ("joint", "motion")}


def test_epochs_take_the_place_of_a_recipes_steps(tmp_path):
    (tmp_path / "own.toml").write_text('method = "mae"\n[loop]\nsteps = 7\nbatch = 10\n')
    recipe = load_recipe(str(tmp_path / "own.toml"))
    assert recipe.configure(data="x", clips=100).steps == 7
    assert recipe.with_flags({"epochs": 2.0}).configure(data="x", clips=100).steps == 20


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('method = "wizardry"', "method is one of mamp, mae, .*, not 'wizardry'"),
        ("[loop]", "method is one of"),
        ('method = "stars"\n[settings]\nque = 3', r"unknown key 'que' in \[settings\] of method "
         r"stars \(did you mean 'queue'\?\)"),
        ('method = "stars"\n[loops]', r"unknown entry 'loops' \(did you mean 'loop'\?\)"),
        ('method = "mae"\n[settings]\ntau = 0.8', "unknown key 'tau'"),
        ('method = "mamp"\n[settings]\nmask_ratio = 1.5', "mask_ratio is a share"),
        ('method = "mamp"\n[loop]\nbatch = 10\naccumulate = 3', "must be a multiple"),
        ('method = "mamp"\n[loop]\nbatch = "many"', "own.toml: "),
        ("method = ", "own.toml: "),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused_by_name(tmp_path, text, says):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        load_recipe(str(path))


def test_recipes_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"no recipe 'star' \(did you mean 'stars'\?\)"):
        load_recipe("star")
    with pytest.raises(UsageError, match="no readable recipe"):
        load_recipe(str(tmp_path / "none.toml"))


def test_recipes_from_the_shell(stars, trained, tmp_path):
    code, out, _ = stars("train", "recipes")
    assert code == 0
    assert "mamp-nnclr" in out
    code, out, _ = stars("train", "recipes", "stars-3stage")
    assert (code, "--from runs/heads" in out) == (0, True)
    code, _, err = stars(
        "train", "pretrain", trained / "pack", "--recipe", "stars", "--out", tmp_path / "run"
    )
    assert (code, "run it with `stars train tune`" in err) == (2, True)


def test_three_stages_go_on_with_the_heads(stars, trained, tmp_path):
    tiny = ["--steps", 2, "--batch", 8, "--queue", 32, "--hidden", 16, "--accelerator", "cpu", "-q"]
    heads, tuned = tmp_path / "head-init", tmp_path / "tuned"
    tune = ["train", "tune", trained / "pack"]
    first = stars(*tune, "--from", trained / "mamp", "--recipe", "head-init", "--out", heads, *tiny)
    assert first[0] == 0, first
    second = stars(*tune, "--from", heads, "--recipe", "stars-3stage", "--out", tuned, *tiny)
    assert second[0] == 0, second
    before, middle = load_checkpoint(trained / "mamp"), load_checkpoint(heads)
    after = load_checkpoint(tuned)
    for name, tensor in before.encoder_weights().items():
        assert tensor.equal(middle.encoder_weights()[name]), name
    assert not before.encoder_weights()["norm.weight"].equal(after.encoder_weights()["norm.weight"])
    # 4 steps of 8 clips have gone through the queue of 32, 2 of them before this run.
    assert int(middle.weights["contrast.queue.place"]) == 16
    assert int(after.weights["contrast.queue.place"]) == 0
    assert after.weights["contrast.queue.vectors"][:16].equal(
        middle.weights["contrast.queue.vectors"][:16]
    )
    assert RunConfig.from_json(after.config, source="x").start_from == str(heads)


def test_pretraining_goes_on_from_a_run_with_a_schedule_of_its_own(stars, trained, tmp_path):
    out = tmp_path / "on"
    how = ["train", "pretrain", trained / "pack", "--out", out, "--steps", 1, "--batch", 8, "-q"]
    still = ["--from", trained / "mamp", "--lr", 1e-12, "--accelerator", "cpu"]
    before = load_checkpoint(trained / "mamp")
    depth = RunConfig.from_json(before.config, source="x").settings.decoder_depth
    assert stars(*how, *still, "--decoder-depth", depth)[0] == 0
    after = load_checkpoint(out)
    assert after.weights.keys() == before.weights.keys()
    for name, tensor in before.weights.items():  # the decoder's, too
        torch.testing.assert_close(after.weights[name], tensor, rtol=0, atol=1e-6, msg=name)
    config = RunConfig.from_json(after.config, source="x")
    assert config.start_from == str(trained / "mamp")
    assert config.loop.steps == 1
    code, _, err = stars(*how, *still, "--decoder-depth", depth, "--width", 64, "--resume")
    assert (code, "the network is that of the run it starts from" in " ".join(err.split())) == (
        2,
        True,
    )
