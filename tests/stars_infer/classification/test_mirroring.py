import numpy as np
import pytest

from stars_infer.classification.classifiers import Ridge
from stars_infer.classification.mirroring import (
    AUTO,
    DOUBTED,
    LARGE_MIRRORING,
    NO_MIRRORING,
    OFF,
    ON,
    WEIGHT,
    Mirroring,
    check_mirror,
    choose_mirroring,
)
from stars_infer.errors import UsageError

WIDTH = 0.12
RIDGE = Ridge(width=WIDTH)


def of_points(points, *, scale=0.3):
    """Similarities of points (E, 2) and of their mirror images, whose first number is negated."""
    points = np.asarray(points, np.float64)
    images = points * [-1, 1]

    def alike(some):
        return (1 - scale * np.square(some[:, None] - points).sum(axis=2)).astype(np.float32)

    return alike(points), alike(images)


def chosen(points, classes, choice=AUTO):
    similarity, mirrored = of_points(points)
    return choose_mirroring(similarity, mirrored, np.array(classes), ridge=RIDGE, choice=choice)


@pytest.mark.parametrize("weight", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("width", [0.05, 0.12, 1.0])
def test_the_mix_is_the_mean_of_the_kernels(weight, width):
    random = np.random.default_rng(0)
    similarity, mirrored = random.uniform(-0.5, 1, (2, 4, 5)).astype(np.float32)
    mixed = Mirroring(weight=weight, reason="").mix(similarity, mirrored, width)
    assert mixed.dtype == np.float32
    for position in np.ndindex(4, 5):
        own, other = (np.exp((float(one[position]) - 1) / width) for one in (similarity, mirrored))
        mean = (own + weight * other) / (1 + weight)
        assert mixed[position] == pytest.approx(1 + width * np.log(mean), abs=1e-6)
    assert (mixed <= np.maximum(similarity, mirrored) + 1e-6).all()
    assert (mixed >= np.minimum(similarity, mirrored) - 1e-6).all()


def test_without_weight_the_clips_alone_count():
    similarity, mirrored = np.random.default_rng(0).uniform(0, 1, (2, 3, 3)).astype(np.float32)
    assert Mirroring(weight=0.0, reason="").mix(similarity, mirrored, WIDTH) is similarity
    assert NO_MIRRORING.weight == LARGE_MIRRORING.weight == 0


# A left and a right step, a wave and a squat: the mirror image of a step is the other step.
STEPS = [(-1, 0), (1, 0), (0, 2), (0, -2)]
# The same actions, none of which is another one in the mirror.
MIDDLE = [(0, 0), (0.2, 1.5), (0, 3), (-0.2, -2)]


def test_mirror_images_count_where_none_looks_like_another_action():
    got = chosen(MIDDLE, [0, 1, 2, 3])
    assert (got.weight, got.reason) == (WEIGHT, "no mirrored example looks like another action")
    assert got.in_words() == (
        "mirror images count with weight 0.4: no mirrored example looks like another action"
    )


def test_one_example_of_each_action_leaves_a_doubt():
    got = chosen(STEPS, [0, 1, 2, 3])
    assert got.weight == DOUBTED
    assert got.reason == (
        "50% of the mirrored examples look like another action; two examples of each action would "
        "tell whether that matters"
    )
    # Further examples of the other actions do not tell, either.
    more = chosen([*STEPS, (0.1, 2), (0.1, -2), (-1, 0.1)], [0, 1, 2, 3, 2, 3, 0])
    assert more.weight == DOUBTED


def table(*, classes, copies):
    """Exemplars as alike as different actions are, some of whose copies are like another action."""
    size = len(classes)
    similarity = np.full((size, size), 0.5, np.float32)
    np.fill_diagonal(similarity, 1)
    mirrored = np.full((size, size), 0.5, np.float32)
    for (one, other), alike in copies.items():
        mirrored[one, other] = alike
    return similarity, mirrored, np.array(classes)


@pytest.mark.parametrize(
    ("alike", "twins"), [(0.5 + WIDTH * np.log(2) + 1e-4, 1), (0.5 + WIDTH * np.log(2) - 1e-4, 0)]
)
def test_a_twin_is_twice_as_like_another_action_as_its_original(alike, twins):
    made = table(classes=[0, 1, 2, 3], copies={(0, 2): alike})
    got = choose_mirroring(*made, ridge=RIDGE)
    assert got.weight == (DOUBTED if twins else WEIGHT)
    assert got.reason.startswith("25% of" if twins else "no mirrored")


def test_a_copy_that_looks_like_its_own_action_is_no_twin():
    made = table(classes=[0, 0, 1, 1], copies={(0, 1): 0.99, (1, 0): 0.99, (2, 2): 0.99})
    assert choose_mirroring(*made, ridge=RIDGE).weight == WEIGHT


@pytest.mark.parametrize(("size", "weight"), [(10, WEIGHT), (9, DOUBTED)])
def test_few_twins_do_not_matter(size, weight):
    made = table(classes=list(range(size)), copies={(0, 2): 0.99})
    got = choose_mirroring(*made, ridge=RIDGE)
    assert got.weight == weight
    if weight == WEIGHT:
        assert got.reason == "hardly any mirrored example looks like another action"


def test_a_single_action_has_no_twins():
    assert chosen([(-1, 0), (1, 0)], [0, 0]).weight == WEIGHT


def spread(centers, each, *, seed=0, deviation=0.1):
    random = np.random.default_rng(seed)
    points = np.repeat(np.asarray(centers, float), each, axis=0)
    return points + deviation * random.normal(size=points.shape)


def right_by_the_definition(points, classes, weight):
    """How many exemplars the others name right, one ridge for each, in float64."""
    similarity, mirrored = (one.astype(np.float64) for one in of_points(points))
    own, other = (np.exp((one - 1) / WIDTH) for one in (similarity, mirrored))
    kernel = (own + weight * other) / (1 + weight)
    classes = np.array(classes)
    sizes = np.bincount(classes)
    noise = RIDGE.noise * (sizes[classes] / sizes.min()) ** RIDGE.balance
    noise = noise + max(0.0, -np.linalg.eigvalsh(kernel)[0])
    targets = np.eye(len(sizes))[classes]
    right = 0
    for left_out in range(len(classes)):
        rest = np.delete(np.arange(len(classes)), left_out)
        fitted = np.linalg.solve(kernel[np.ix_(rest, rest)] + np.diag(noise[rest]), targets[rest])
        right += int((kernel[left_out, rest] @ fitted).argmax()) == classes[left_out]
    return right


def test_several_examples_choose_by_leaving_one_out():
    """Among actions with and without sides; the smallest of equally good weights."""
    random = np.random.default_rng(5)
    seen = set()
    for seed in range(60):
        centers = random.normal(size=(4, 2)) * [1.5, 1.0]
        points = spread(centers, 4, seed=seed, deviation=random.choice([0.2, 0.6, 1.0]))
        points[::4, 0] *= random.choice([-1, 1])  # some are performed with the other hand
        classes = np.repeat(np.arange(4), 4)
        got = chosen(points, classes)
        if "%" not in got.reason:
            continue
        right = [right_by_the_definition(points, classes, weight) for weight in (0, 0.4, 0.8)]
        best = (0, 0.4, 0.8)[int(np.argmax(right))]
        assert got.weight == best
        seen.add(best)
        better = ", but the examples name each other better with them"
        worse = ", and the examples name each other no better with them"
        assert got.reason.endswith(better if best else worse)
    assert seen == {0, 0.4, 0.8}


def test_examples_of_steps_to_either_side_tell_that_sides_matter():
    got = chosen(spread(STEPS, 3), np.repeat(np.arange(4), 3))
    assert got.weight == 0
    assert got.in_words().startswith("mirror images count not: 50% of the mirrored examples look")


@pytest.mark.parametrize("points", [STEPS, MIDDLE])
def test_whoever_knows_is_obeyed(points):
    on, off = (chosen(points, [0, 1, 2, 3], choice) for choice in (ON, OFF))
    assert (on.weight, on.reason) == (WEIGHT, "asked for")
    assert (off.weight, off.reason) == (0, "asked for")
    assert off.in_words() == "mirror images count not: asked for"


@pytest.mark.parametrize("choice", ["maybe", "", "ON", None])
def test_other_choices_are_refused(choice):
    says = "choose one of auto, on, off"
    with pytest.raises(UsageError, match=says):
        check_mirror(choice)
    with pytest.raises(UsageError, match=says):
        chosen(STEPS, [0, 1, 2, 3], choice)
    assert [check_mirror(one) for one in (AUTO, ON, OFF)] == ["auto", "on", "off"]
