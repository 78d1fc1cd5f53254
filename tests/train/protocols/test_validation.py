"""Validation sees clips as the encoder has learned them: cropped, or whole."""

import pytest

from stars_infer.train.protocols import validation
from stars_infer.train.protocols.validation import crop_of, make_validation
from stars_infer.train.recipe import load_recipe
from stars_infer.train.run import build_method


@pytest.mark.parametrize(
    ("recipe", "crop"), [("stars", 0.9), ("skeattnclr", 1.0), ("skeleton2vec", 1.0)]
)
def test_whole_clips_are_measured_where_whole_clips_were_learned(recipe, crop):
    views = load_recipe(recipe).configure(data="x", clips=9).views
    assert crop_of(views) == crop


def test_the_crop_reaches_the_features(pack, fabric, monkeypatch):
    small = {"width": 16, "depth": 3, "queue": 8, "hidden": 8, "projection": 8, "mask_heads": 2}
    recipe = load_recipe("skeattnclr").with_flags(small)
    config = recipe.configure(data=str(pack), split="xsub", clips=18)
    seen, features = [], validation.clip_features

    def watched(*args, crop, **kwargs):
        seen.append(crop)
        return features(*args, crop=crop, **kwargs)

    monkeypatch.setattr(validation, "clip_features", watched)
    accuracy = make_validation(build_method(config).eval(), config, fabric)()
    assert seen == [1.0, 1.0]
    assert 0 <= accuracy <= 100
