"""Skeletons of 3D programs, by the names that their bones have in files."""

import pytest

from stars_infer.layouts import match_names

ENDS = "Root root_end ik_foot_l tail_01"
TRUNK = "Spine Spine1 Spine2 Neck Head"
ARM, LEG = "Shoulder Arm ForeArm Hand", "UpLeg Leg Foot ToeBase"


def sided(pattern, parts, sides=("Left", "Right")):
    """Names of the parts of both sides."""
    return " ".join(pattern.format(side, part) for side in sides for part in parts.split())


def rigify(start=""):
    spine = ["spine", *(f"spine.{number:03}" for number in range(1, 7))]
    parts = "shoulder upper_arm forearm hand thumb.01 thigh shin foot toe"
    return " ".join([start + name for name in spine] + [sided(start + "{1}.{0}", parts, "LR")])


UNREAL = "clavicle upperarm lowerarm hand index_01 lowerarm_twist_01 thigh calf foot ball"
BIPED = "Clavicle UpperArm Forearm Hand Thigh Calf Foot Toe0"
VROID = "Shoulder UpperArm LowerArm Hand UpperLeg LowerLeg Foot ToeBase"
DEEP = "shoulder arm forearm hand upleg leg foot toebase"
GENESIS_TRUNK = (
    "hip pelvis abdomenLower abdomenUpper chestLower chestUpper neckLower neckUpper head"
)
GENESIS = "Collar ShldrBend ShldrTwist ForearmBend Hand ThighBend ThighTwist Shin Foot Toe"
SMPL = "Collar Shoulder Elbow Wrist Hip Knee Ankle Foot"
RIGS = {
    "Unreal": (
        "humanik",
        "root pelvis spine_01 spine_02 neck_01 head " + sided("{1}_{0}", UNREAL, "lr"),
    ),
    "Biped": (
        "humanik",
        "Bip01~Pelvis Bip01~Spine Bip01~Neck Bip01~Head " + sided("Bip01~{0}~{1}", BIPED, "LR"),
    ),
    "Rigify": ("rigify", rigify()),
    "Rigify, deforming": ("rigify", rigify("DEF-")),
    "VRoid": (
        "humanik",
        sided("J_Bip_C_{1}", f"Hips {TRUNK}", [""]) + " " + sided("J_Bip_{0}_{1}", VROID, "LR"),
    ),
    "DeepMotion": (
        "humanik",
        "hips_JNT spine_JNT spine1_JNT neck_JNT head_JNT " + sided("{0}_{1}_JNT", DEEP, "lr"),
    ),
    "MotionBuilder": (
        "humanik",
        sided("Character1_{1}", f"Hips {TRUNK}", [""])
        + " " + sided("Character1_{0}{1}", f"{ARM} {LEG}"),
    ),
    "Mixamo": (
        "mixamo25",
        sided("mixamorig:{1}", f"Hips HeadTop_End {TRUNK}", [""])
        + " " + sided("mixamorig:{0}{1}", f"{ARM} {LEG}"),
    ),
    "DAZ Genesis": ("genesis", f"{GENESIS_TRUNK} " + sided("{0}{1}", GENESIS, "lr")),
    "SMPL in Blender": (
        "smpl22", "Pelvis Spine1 Spine2 Spine3 Neck Head " + sided("{0}_{1}", SMPL, "LR"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rig", RIGS)
def test_the_bones_of_a_rig_are_known(rig):
    layout, names = RIGS[rig]
    found = match_names([name.replace("~", " ") for name in f"{names} {ENDS}".split()])
    assert found is not None
    assert (found.layout.name, found.missing) == (layout, ())
