"""Results in the form of COCO: AlphaPose, annotations, OpenPifPaf; and columns of Ultralytics."""

import json

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError, FlatError
from tests.stars_infer.readers.mocap_files import moving

FRAMES = 12
ANNA = moving("coco17", frames=FRAMES)[..., :2] * 200 + 400
BO = moving("coco17", frames=FRAMES, seed=3)[..., :2] * 200 + [900, 400]


def triplets(points, sure=0.9):
    return [float(value) for x, y in points for value in (x, y, sure)]


def alphapose(*, named=True, without=()):
    people = []
    for frame in range(FRAMES):
        for name, person in ((1, ANNA), (2, BO)):
            if frame in without and name == 2:
                continue
            one = {"image_id": f"v2_{frame:04}.jpg", "category_id": 1, "score": 2.9,
                   "keypoints": triplets(person[frame]), "idx": name if named else 0}  # fmt: skip
            people.append(one)
    return people


def written(tmp_path, content, name="x.json"):
    path = tmp_path / name
    lines = name.endswith(".jsonl")
    path.write_text("\n".join(map(json.dumps, content)) if lines else json.dumps(content))
    return path


def check(clip, *people):
    assert (clip.layout, clip.flat) == ("coco17", True)
    assert clip.bodies.shape == (len(people), FRAMES, 17, 3)
    for body, person in zip(clip.bodies, people, strict=True):
        across, expected = (
            np.linalg.norm(some[:, 5, :2] - some[:, 6, :2], axis=1) for some in (body, person)
        )
        np.testing.assert_allclose(across / across[0], expected / expected[0], rtol=1e-4)


@pytest.mark.parametrize("named", [True, False])
def test_people_of_one_picture_are_one_frame(tmp_path, named):
    path = written(tmp_path, alphapose(named=named))
    with pytest.raises(FlatError, match="points in 2D only"):
        read_clip(path)
    check(read_clip(path, flat=True), ANNA, BO)


def test_pictures_in_another_order_and_without_people(tmp_path):
    people = [one for one in alphapose(without=(3, 4, 5)) if "v2_0006" not in one["image_id"]]
    clip = read_clip(written(tmp_path, people[::-1]), flat=True)
    assert clip.bodies.shape[:2] == (2, FRAMES)
    anna = int(clip.presence[0].sum() < clip.presence[1].sum())
    assert (~clip.presence[anna]).nonzero()[0].tolist() == [6]
    assert (~clip.presence[1 - anna]).nonzero()[0].tolist() == [3, 4, 5, 6]


def test_every_fifth_picture_leaves_no_gaps(tmp_path):
    people = [{**one, "image_id": 5 * int(one["image_id"][3:7]) + 100} for one in alphapose()]
    check(read_clip(written(tmp_path, people), flat=True), ANNA, BO)


def test_annotations_of_coco_and_points_that_are_not_seen(tmp_path):
    people = [
        {**one, "image_id": int(one["image_id"][3:7])} for one in alphapose(without=range(12))
    ]
    for one in people:
        one["keypoints"][2::3] = [2.0] * 17
        one["keypoints"][9 * 3 : 9 * 3 + 3] = [0, 0, 0]
    content = {"images": [{"id": 0}], "annotations": people, "categories": []}
    clip = read_clip(written(tmp_path, content), flat=True)
    check(clip, ANNA)
    assert any("never seen" in note for note in clip.notes)


def test_more_keypoints_begin_with_those_of_the_body(tmp_path):
    people = [{**one, "keypoints": one["keypoints"] + [5.0] * 9 * 3} for one in alphapose()]
    check(read_clip(written(tmp_path, people), flat=True), ANNA, BO)


def test_lines_of_openpifpaf(tmp_path):
    lines = [
        {"frame": frame + 1, "predictions": [
            {"keypoints": triplets(person[frame]), "score": 0.8, "category_id": 1}
            for person in ((BO, ANNA), (ANNA, BO))[frame % 2]
        ]}
        for frame in range(FRAMES)
    ]  # fmt: skip
    check(read_clip(written(tmp_path, lines, "x.jsonl"), flat=True), BO, ANNA)


def test_columns_of_ultralytics(tmp_path):
    frames = [
        [{"name": "person", "class": 0, "confidence": 0.9, "track_id": number,
          "keypoints": {"x": person[frame, :, 0].tolist(), "y": person[frame, :, 1].tolist(),
                        "visible": [0.9] * 17}}
         for number, person in enumerate((ANNA, BO))]
        for frame in range(FRAMES)
    ]  # fmt: skip
    check(read_clip(written(tmp_path, frames), flat=True), ANNA, BO)


def test_pictures_without_numbers_have_no_order(tmp_path):
    people = [{**one, "image_id": "anna.jpg"} for one in alphapose()]
    with pytest.raises(ClipError, match=r"the picture 'anna\.jpg' has no number"):
        read_clip(written(tmp_path, people), flat=True)
    people = [{**one, "image_id": 10**at} for at, one in enumerate(alphapose()[:9])]
    with pytest.raises(ClipError, match="frames"):
        read_clip(written(tmp_path, people), flat=True)


@pytest.mark.parametrize("named", ["{}.jp2", "v2_{:04}.mp4", "{}.0"])
def test_the_number_of_a_picture_is_not_that_of_its_ending(tmp_path, named):
    people = alphapose()
    for one in people:
        picture = named.format(int(one["image_id"][3:7]))
        one["image_id"] = float(picture) if named == "{}.0" else picture
    check(read_clip(written(tmp_path, people), flat=True), ANNA, BO)


def test_two_pictures_of_one_number_are_not_one_frame(tmp_path):
    people = alphapose() + [{**one, "image_id": "b" + one["image_id"]} for one in alphapose()]
    says = r"pictures 'v2_0000\.jpg' and 'bv2_0000\.jpg' are both number 0"
    with pytest.raises(ClipError, match=says):
        read_clip(written(tmp_path, people), flat=True)
