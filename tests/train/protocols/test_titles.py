"""Runs have the name of a row of the papers only if they were made as that row."""

import pytest

from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.protocols.paper import figures
from stars_infer.train.protocols.titles import fused_title, random_title, title_of
from stars_infer.train.recipe import load_recipe


def titled(recipe, *before, **flags):
    """Title of a run of a recipe with flags, after runs of these methods, the latest first."""
    history = {}
    for method in reversed(before):
        history = {"start": {"config": {"method": method}, **history}}
    config = load_recipe(recipe).with_flags(flags).configure(data="x", clips=9)
    return title_of(config, history)


@pytest.mark.parametrize(
    ("recipe", "before", "title"),
    [
        ("mamp", (), "MAMP"),
        ("stars", ("mamp",), "STARS"),
        ("stars-3stage", ("head-init", "mamp"), "STARS-3stage"),
        ("stars", ("mae",), "STARS-MAE"),
        ("stars", ("skeleton2vec",), "STARS on Skeleton2vec"),
        ("stars-mirror", ("mamp",), "STARS flip"),
        ("stars-mirror-rotation", ("mamp",), "STARS flip + rotation"),
        ("stars-axis-mask", ("mamp",), "STARS axis mask"),
        ("stars-shear", ("mamp",), "STARS shear"),
        ("dino-plain", ("mamp",), "DINO"),
        ("dino", ("mamp",), "DINO aug"),
        ("dino-local", ("mamp",), "DINO aug local"),
        ("moco-plain", ("mamp",), "MoCo"),
        ("moco", ("mamp",), "MoCo aug"),
        ("moco", ("mae",), "MoCo aug on MAE"),
        ("mamp-nnclr", ("mamp",), "MAMP + NNCLR"),
        ("nnclr", (), "NNCLR from scratch"),
        ("skeleton2vec", (), "Skeleton2vec"),
        ("skeleton2vec-random", (), "Skeleton2vec random"),
        ("skeleton2vec-single-tube", (), "Skeleton2vec single-tube"),
        ("skeleton2vec-multi-tube", (), "Skeleton2vec multi-tube"),
        ("skeleton2vec-ablation", (), "Skeleton2vec 200 epochs"),
        ("skeattnclr", (), "SkeAttnCLR"),
        ("skeattnclr-bigru", (), "SkeAttnCLR BiGRU"),
        ("skeattnclr-baseline", (), "SkeAttnCLR baseline"),
    ],
)
def test_recipes_are_rows_of_the_tables(recipe, before, title):
    assert titled(recipe, *before) == title


def test_flags_that_make_another_row():
    assert titled("stars", "mamp", yaw=0.5) == "STARS other views"
    assert titled("skeleton2vec-ablation", beta=0.2) == "Skeleton2vec beta 0.2"
    assert titled("skeleton2vec-ablation", mask_ratio=0.85) == "Skeleton2vec mask ratio 0.85"
    assert titled("skeleton2vec", tube_length=10) == "Skeleton2vec tube length 10"
    assert titled("skeattnclr-dsta", stream="motion") == "SkeAttnCLR DSTA motion"
    assert titled("skeattnclr", mutual_negative=False) == "SkeAttnCLR, no mutual negative"
    both = titled("skeattnclr", mutual_negative=False, non_salient_loss=False)
    assert both == "SkeAttnCLR, no non-salient loss, no mutual negative"
    bone = titled("skeattnclr-bigru", stream="bone", salient_loss=False, non_salient_loss=False)
    assert bone == "SkeAttnCLR baseline BiGRU bone"


def test_three_streams_are_joint_motion_and_bone():
    names = ["SkeAttnCLR", "SkeAttnCLR motion", "SkeAttnCLR bone"]
    assert fused_title(names) == "SkeAttnCLR three-stream"
    assert fused_title([names[0], names[2], names[1]]) == "SkeAttnCLR three-stream"
    assert fused_title(names[:2]) == "SkeAttnCLR + SkeAttnCLR motion"
    assert fused_title(["STARS", *names[1:]]) == "STARS + SkeAttnCLR motion + SkeAttnCLR bone"


def test_every_ablation_of_the_papers_is_the_title_of_a_run():
    """The rows of the ablation tables are names that `title_of` gives."""
    by_flags = {titled("skeleton2vec-ablation", beta=b) for b in (0.2, 0.3)}
    by_flags |= {titled("skeleton2vec-ablation", mask_ratio=m) for m in (0.8, 0.85, 0.95)}
    by_flags |= {
        titled("skeattnclr", mutual_negative=negative, non_salient_loss=rest)
        for negative, rest in ((False, True), (False, False), (True, False))
    }
    for name in ("skeattnclr", "skeattnclr-baseline"):
        streams = [titled(name, stream=stream) for stream in ("joint", "motion", "bone")]
        by_flags |= {*streams, fused_title(streams)}
    tuned = ("stars", "stars-mirror", "stars-rotation", "stars-axis-mask", "stars-shear", "dino",
             "stars-mirror-rotation", "dino-plain", "dino-local", "moco", "moco-plain",
             "mamp-nnclr")  # fmt: skip
    pretrained = ("mamp", "mae", "nnclr", "skeleton2vec", "skeleton2vec-random",
                  "skeleton2vec-single-tube", "skeleton2vec-multi-tube",
                  "skeleton2vec-ablation")  # fmt: skip
    made = by_flags | {titled(name, "mamp") for name in tuned} | set(map(titled, pretrained))
    made |= {titled("stars", "mae"), titled("stars-3stage", "head-init", "mamp")}
    made |= {random_title(EncoderConfig()), random_title(EncoderConfig(network="stgcn"))}
    of_others = {"CMD", "STARS as in Table 7", "SkeletonCLR", "SkeletonCLR motion",
                 "SkeletonCLR bone", "SkeletonCLR three-stream"}  # fmt: skip
    printed = {
        figure.method
        for protocol in ("linear", "knn", "finetune", "semi")
        for dataset, split in (("ntu60", "xview"), ("ntu120", "xset"), ("pku1", "xsub"))
        for figure in figures(protocol, dataset, split)
    }
    assert len(printed) > 40
    assert printed - of_others <= made
