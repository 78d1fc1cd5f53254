import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import (
    CONTENTS,
    DEVIATION,
    FIRST,
    KERNELS,
    MIDDLE,
    MIRROR,
    MOVING,
    PARTS,
    UNTURNED,
    WHOLE,
    Kernel,
    SequenceConfig,
)

HOW = SequenceConfig(preprocessing=Preprocessing(frames=40), steps=20)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 1}, "steps must be a whole number and at least 4, not 1"),
        ({"steps": 0}, "steps must be a whole number and at least 4, not 0"),
        ({"steps": 16.0}, "steps must be a whole number and at least 4, not 16.0"),
        ({"steps": 6}, "6 steps cannot be halved twice: use a multiple of 4"),
        ({"steps": 64, "preprocessing": Preprocessing(frames=120)}, "120 frames cannot be cut"),
        ({"temperature": 0}, "temperature must be above 0, not 0"),
        ({"temperature": -1}, "temperature must be above 0, not -1"),
        ({"kernel_width": 0}, "kernel_width must be at least 0.001 and at most 10, not 0"),
        (
            {"kernel_width": float("nan")},
            "kernel_width must be at least 0.001 and at most 10, not nan",
        ),
        ({"kernels": ()}, "a comparison needs at least one kernel"),
        (
            {"preprocessing": Preprocessing(frames=64, samplings=2)},
            "a comparison takes a clip once: leave its preprocessing's samplings",
        ),
        (
            {"preprocessing": Preprocessing(frames=64, face_camera=True)},
            "a comparison turns clips itself: leave its preprocessing's turning",
        ),
    ],
)
def test_impossible_comparisons_are_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        SequenceConfig(**wrong)


def test_frames_that_cannot_be_cut_are_refused():
    with pytest.raises(UsageError, match="120 frames cannot be cut into 32 equal steps"):
        SequenceConfig(preprocessing=Preprocessing(frames=120))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"content": "posture"}, f"content 'posture': choose one of {', '.join(CONTENTS)}"),
        ({"clip": "half"}, f"part 'half': choose one of {', '.join(PARTS)}"),
        ({"exemplar": "half"}, f"part 'half': choose one of {', '.join(PARTS)}"),
        ({"width": 0}, "width must be at least 0.005 and at most 10, not 0"),
        ({"width": -0.1}, "width must be at least 0.005 and at most 10, not -0.1"),
        ({"weight": 0}, "weight must be at least 0.001 and at most 1000, not 0"),
        ({"weight": float("inf")}, "weight must be at least 0.001 and at most 1000, not inf"),
    ],
)
def test_impossible_kernels_are_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        Kernel(**wrong)


def test_any_two_parts_are_compared():
    made = [Kernel(clip=clip, exemplar=other) for clip in PARTS for other in PARTS]
    assert len(set(made)) == 16
    assert Kernel().clip == Kernel().exemplar == WHOLE


def test_exchanging_clip_and_exemplar_gives_the_same_kernels():
    """Which of two clips is the exemplar must not matter."""
    exchanged = [replace(one, clip=one.exemplar, exemplar=one.clip) for one in KERNELS]
    assert set(exchanged) == set(KERNELS)
    assert len(KERNELS) == len(set(KERNELS)) == 8
    assert MIRROR.clip == MIRROR.exemplar


OTHER = SequenceConfig(
    preprocessing=Preprocessing(frames=48, crop=0.8, standard_body=True, pace=0.25),
    steps=16,
    kernels=(
        Kernel(content=DEVIATION, clip=FIRST, exemplar=MIDDLE, width=0.2, weight=0.5),
        Kernel(content=DEVIATION, clip=MIDDLE, exemplar=FIRST, width=0.2, weight=0.5),
        Kernel(content=UNTURNED),
    ),
    mirror=Kernel(content=MOVING, width=0.07),
    kernel_width=0.3,
    temperature=0.4,
)


@pytest.mark.parametrize("how", [SequenceConfig(), HOW, OTHER])
def test_a_comparison_survives_json(how):
    again = SequenceConfig.from_json(json.loads(json.dumps(asdict(how))))
    assert again == how
    assert again.digest() == how.digest()
    assert again.contract() == how.contract()
    assert isinstance(again.kernels, tuple)
    assert all(isinstance(one, Kernel) for one in (*again.kernels, again.mirror))


def with_kernel(position, **change):
    kernels = list(HOW.kernels)
    kernels[position] = replace(kernels[position], **change)
    return {"kernels": tuple(kernels)}


CHANGES = [
    with_kernel(0, content=MOVING),
    with_kernel(0, width=0.091),
    with_kernel(0, weight=2.01),
    with_kernel(2, clip=FIRST),
    with_kernel(2, exemplar=WHOLE),
    with_kernel(7, width=0.1),
    with_kernel(7, content=DEVIATION),
    {"kernels": HOW.kernels[:-1]},
    {"kernels": (*HOW.kernels, HOW.kernels[-1])},
    {"mirror": replace(HOW.mirror, width=0.1)},
    {"mirror": replace(HOW.mirror, content=DEVIATION)},
    {"mirror": replace(HOW.mirror, clip=FIRST, exemplar=FIRST)},
    {"kernel_width": 0.13},
    {"steps": 40},
    {"preprocessing": replace(HOW.preprocessing, pace=0.1)},
]


def test_whatever_decides_similarities_decides_the_digest():
    digests = {replace(HOW, **change).digest() for change in CHANGES}
    assert len(digests) == len(CHANGES)
    assert HOW.digest() not in digests


def test_what_decides_no_similarity_does_not_decide_the_digest():
    same = SequenceConfig(preprocessing=Preprocessing(frames=40), steps=20)
    assert same.digest() == HOW.digest()
    assert replace(HOW, temperature=3.0).digest() == HOW.digest()


def test_only_what_makes_other_sequences_is_in_the_contract():
    for change in CHANGES:
        changed = replace(HOW, **change).contract() != HOW.contract()
        assert changed == bool({"steps", "preprocessing"} & change.keys())
    assert replace(HOW, temperature=3.0).contract() == HOW.contract()


def test_in_any_direction_nothing_is_compared_as_it_was_recorded():
    turned = HOW.in_any_direction()
    assert turned.kernels == tuple(one for one in HOW.kernels if one.content != UNTURNED)
    assert len(turned.kernels) == 7
    assert replace(turned, kernels=HOW.kernels) == HOW
    assert turned.in_any_direction() == turned
    nothing_else = replace(HOW, kernels=(Kernel(content=UNTURNED),))
    assert nothing_else.in_any_direction() == nothing_else


def test_words_say_how_much_is_compared():
    assert HOW.in_words() == "time warping of 20 steps, mean of 8 kernels"


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((1, 20, 75), True),
        ((2, 20, 75), True),
        ((3, 20, 75), False),
        ((0, 20, 75), False),
        ((1, 21, 75), False),
        ((1, 20, 72), False),
        ((20, 75), False),
        ((1,), False),
    ],
)
def test_sequences_that_fit(shape, fits):
    assert HOW.shape == ("1 or 2", 20, 75)
    assert HOW.fits(np.zeros(shape, np.float32)) is fits
    if fits:
        assert not HOW.fits(np.full(shape, np.nan, np.float32))


def test_kernels_that_compare_one_way_only_are_refused_in_a_model():
    one_way = Kernel(clip=FIRST, exemplar=WHOLE)
    with pytest.raises(UsageError, match="the other way around"):
        SequenceConfig.from_json(asdict(SequenceConfig(kernels=(one_way,))))
    both = SequenceConfig(kernels=(one_way, Kernel(clip=WHOLE, exemplar=FIRST)))
    assert SequenceConfig.from_json(asdict(both)) == both
