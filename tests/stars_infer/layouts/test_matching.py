"""Names of joints as vendors and tools write them."""

import pytest

from stars_infer.layouts import (
    get_layout,
    layout_for_names,
    match_names,
    nearest_layout,
    numbers_in,
)
from stars_infer.layouts.spelling import canonical


def words(text):
    return text.split()


def sided(text, *parts, order="{side}{part}", sides=("Left", "Right")):
    return [*text.split(), *(order.format(side=s, part=p) for s in sides for p in parts)]


KINECT_2 = sided(
    "SpineBase SpineMid SpineShoulder Neck Head",
    *words("Shoulder Elbow Wrist Hand HandTip Thumb Hip Knee Ankle Foot"),
    order="{part}{side}",
)
AZURE = sided(
    "PELVIS SPINE_NAVEL SPINE_CHEST NECK HEAD NOSE",
    *words("CLAVICLE SHOULDER ELBOW WRIST HAND HANDTIP THUMB HIP KNEE ANKLE FOOT EYE EAR"),
    order="{part}_{side}",
    sides=("LEFT", "RIGHT"),
)
LIMBS = words("Shoulder Elbow Wrist Hip Knee Ankle")
OPENPOSE = sided("Nose Neck MidHip", *LIMBS, *words("Eye Ear BigToe SmallToe Heel"),
                 sides=("L", "R"))  # fmt: skip
RIG = "{part}.{side}"
VENDORS = {
    "Kinect v2": (KINECT_2, "ntu25"),
    "Kinect v2 in capitals": ([name.upper() for name in KINECT_2], "ntu25"),
    "Kinect v2, words": ([canonical(name) for name in KINECT_2], "ntu25"),
    "Kinect v1": (sided("HIP_CENTER SPINE SHOULDER_CENTER HEAD",
                        *words("SHOULDER ELBOW WRIST HAND HIP KNEE ANKLE FOOT"),
                        order="{part}_{side}", sides=("LEFT", "RIGHT")), "kinect20"),
    "k4abt": (AZURE, "azure32"),
    "k4abt, naval": ([name.replace("NAVEL", "NAVAL") for name in AZURE], "azure32"),
    "k4abt, enumeration": (["K4ABT_JOINT_" + name for name in AZURE], "azure32"),
    "pykinect": ([name.lower().replace("_", " - ") for name in AZURE], "azure32"),
    "OpenPose": (OPENPOSE, "body25"),
    "OpenPose, lower case": ([name.lower() for name in OPENPOSE], "body25"),
    "OpenPose COCO": (sided("Nose Neck", *LIMBS, "Eye", "Ear", sides="LR"), "body18"),
    "YOLO": (sided("nose", "eye", "ear", *map(str.lower, LIMBS), order="{side}_{part}",
                   sides=("left", "right")), "coco17"),
    "MediaPipe": ([name.upper().replace(" ", "_") for name in get_layout("mediapipe33").joints],
                  "mediapipe33"),
    "MediaPipe, camel": ([canonical(name).title().replace(" ", "")
                          for name in get_layout("mediapipe33").joints], "mediapipe33"),
    "FreeMoCap": (["body_" + name.replace(" ", "_") for name in get_layout("mediapipe33").joints]
                  + [f"{side}_hand_{n:04}" for side in ("left", "right") for n in range(21)]
                  + [f"face_{n:04}" for n in range(100)], "mediapipe33"),
    "H36M": (sided("Hip Spine Thorax Neck/Nose Head", "Hip", "Knee", "Foot", "Shoulder", "Elbow",
                   "Wrist", sides="LR"), "h36m17"),
    "VideoPose3D": (sided("root torso neck nose head", "Hip", "Knee", "Ankle", "Shoulder", "Elbow",
                          "Wrist", sides="LR"), "h36m17"),
    "Nuitrack": (["JOINT_" + name for name in sided(
        "HEAD NECK TORSO WAIST", *words("COLLAR SHOULDER ELBOW WRIST HAND HIP KNEE ANKLE"),
        order="{side}_{part}", sides=("LEFT", "RIGHT"))], "nuitrack"),
    "ZED 34": ([name.upper().replace(" ", "_") for name in get_layout("zed34").joints], "zed34"),
    "ZED 38": (["BODY_38_PARTS." + name.upper().replace(" ", "_")
                for name in get_layout("zed38").joints], "zed38"),
    "ARKit": (get_layout("arkit91").joints, "arkit91"),
    "ARKit, tracked only": (
        ["root", "hips_joint", "spine_1_joint", "spine_7_joint", "neck_1_joint", "head_joint",
         *(f"{side}_{part}_joint" for side in ("left", "right") for part in
           words("shoulder_1 arm forearm hand upLeg leg foot"))], "humanik"),
    "SMPL": (sided("Pelvis Spine1 Spine2 Spine3 Neck Head",
                   *words("Hip Knee Ankle Foot Collar Shoulder Elbow Wrist Hand"),
                   order="{side}_{part}", sides="LR"), "smpl24"),
    "HumanML3D": ([name.replace(" ", "_") for name in get_layout("smpl22").joints], "smpl22"),
    "SMPL-X": ([name.replace(" ", "_") for name in get_layout("smplx55").joints], "smplx55"),
    "Xsens": (sided("Pelvis L5 L3 T12 T8 Neck Head", "Shoulder", "Upper Arm", "Forearm", "Hand",
                    "Upper Leg", "Lower Leg", "Foot", "Toe", order="{side} {part}"), "xsens23"),
    "Plug-in Gait": (["PELO", "TRXO", "HEDO", *(side + name for side in "LR" for name in
                      words("FEP FEO TIO HUP HUO RAO TOE"))], "plug-in-gait"),
    "joint centers": (["Anna:PELO", "Anna:TRXO", "Anna:HEDO", *(f"Anna:{side}{name}" for side in
                       "LR" for name in words("HJC KJC AJC SJC EJC WJC"))], "plug-in-gait"),
    "Motive": (["Skeleton 001:" + name for name in get_layout("motive").joints], "motive"),
    "Unreal": (sided("pelvis spine_01 neck_01 head",
                     *words("upperarm lowerarm hand thigh calf foot ball"),
                     order="{part}_{side}", sides="lr"), "humanik"),
    "Rigify": (sided("hips spine neck head",
                     *words("upper_arm forearm hand thigh shin foot toe"), order=RIG, sides="LR"),
               "humanik"),
    "Biped": (["Bip01 " + name for name in sided(
        "Pelvis Spine Neck Head", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "Toe0",
        order="{side} {part}", sides="LR")], "humanik"),
    "Biovision": (sided("Hips Chest Neck Head", "Collar", "UpArm", "LowArm", "Hand", "UpLeg",
                        "LowLeg", "Foot"), "biovision"),
}  # fmt: skip


@pytest.mark.parametrize(("names", "layout"), VENDORS.values(), ids=VENDORS)
def test_vendors_names_are_recognized(names, layout):
    for order in (1, -1):
        found = match_names([*names, "camera", "tail"][::order])
        assert found is not None
        assert found.layout.name == layout
        known = [place for place in found.places if place >= 0]
        assert len(set(known)) == len(known) >= len(found.layout.joints) - 5


def test_both_sides_stay_apart():
    found = match_names(KINECT_2)
    for joint, place in zip(found.layout.joints, found.places, strict=True):
        side = next((side for side in ("left", "right") if side in joint), "")
        assert KINECT_2[place].lower().endswith(side)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ShoulderLeft", "left shoulder"), ("SHOULDER_LEFT", "LShoulder"), ("hand.R", "RightHand"),
        ("rwrist", "wrist-right"), ("l_upper_arm", "LeftUpperArm"), ("HandTipLeft", "HANDTIP_LEFT"),
        ("left_upLeg_joint", "LeftUpLeg"), ("leftshoulder", "Shoulder L"), ("rear", "RightEar"),
    ],
)  # fmt: skip
def test_spellings_of_one_joint(one, other):
    assert canonical(one) == canonical(other)
    assert canonical(one) != canonical(other.replace("eft", "ight").replace("L", "R")) or (
        "ight" in other or "right" in other.lower()
    )


@pytest.mark.parametrize(
    ("layout", "without"),
    [
        ("ntu25", ["left thumb", "right thumb", "tip of left hand"]),
        ("humanik", ["LeftToeBase", "RightToeBase"]), ("humanik", ["Neck"]),
        ("mediapipe33", ["left shoulder"]), ("humanik", ["Head"]), ("smpl24", ["neck"]),
        ("body25", ["mid hip"]), ("kinect20", ["left hand", "head"]), ("azure32", ["left elbow"]),
        ("smpl24", ["left hip"]), ("motive", ["LShin"]), ("nuitrack", ["waist"]),
    ],
)  # fmt: skip
def test_joints_that_can_be_filled_in_may_be_missing(layout, without):
    names = [name for name in get_layout(layout).joints if name not in without]
    found = match_names(names)
    needed = any(word in without[0] for word in ("shoulder", "elbow", "hip", "Shin", "waist"))
    if needed and layout != "body25":
        assert found is None or found.layout.name != layout
        assert set(nearest_layout(names, among=[get_layout(layout)]).lacking) == set(without)
    else:
        assert found.layout.name == layout or not found.missing
        assert layout_for_names(names, among=[get_layout(layout)]) is None


def test_names_of_nothing_are_nobodys():
    for names in ([], ["a"], [f"j{number}x" for number in range(30)], ["left", "right", "l", "r"]):
        assert match_names(names) is None
        assert nearest_layout(names) is None


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["landmark_0", "landmark_1"], (0, 1)), (["joint2", "joint1"], (1, 0)),
        (["kp 1", "kp 2", "kp 3"], (0, 1, 2)), (["a1", "b2"], None), (["a1", "a3"], None),
        (["1", "0"], (1, 0)), ([], None),
        (["Spine", "Spine1"], None), (["L5", "L3"], None), (["a2", "a3"], None),
    ],
)  # fmt: skip
def test_names_that_only_number(names, numbers):
    assert numbers_in(names) == numbers


def test_layouts_have_other_names():
    assert get_layout("zed18") is get_layout("body18")
