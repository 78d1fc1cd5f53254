"""Which markers on the skin give which joint, by the names of the common sets.

A rule is a list of markers whose mean is the joint: the two epicondyles of knee and elbow, the two
malleoli, the two styloids of the wrist (ISB: Wu et al., J. Biomech. 35:543, 2002, and 38:981,
2005). Of several rules the first counts whose markers are all there. Names are written without
separators and in lower case, `{s}` stands for `l` or `r`:

- Plug-in Gait and the CGM models (`LASI`, `LKNE`; joints that they compute: `LFEP`, `LKJC`)
- OpenSim: gait2392 (`L.Knee.Lat`), Rajagopal (`LLFC`), Human Body Model (`LLEK`)
- OpenCap and Pose2Sim (`LKnee`, `L_knee_study`)
- OptiTrack Motive and Qualisys (`LKneeOut`, `L_FLE`)
"""

from __future__ import annotations

Rules = tuple[tuple[str, ...], ...]

LIMBS: dict[str, Rules] = {
    "hip": (("{s}hjc",), ("{s}hjcstudy",), ("{s}fep",), ("{s}hip",)),
    "knee": (
        ("{s}kjc",), ("{s}feo",), ("{s}knee",),
        ("{s}kne", "{s}knm"), ("{s}kne", "{s}mkne"), ("{s}kne", "{s}knem"), ("{s}lkne", "{s}mkne"),
        ("{s}kneelat", "{s}kneemed"), ("{s}latknee", "{s}medknee"), ("{s}lfc", "{s}mfc"),
        ("{s}fle", "{s}fme"), ("{s}lek", "{s}mek"), ("{s}kneeout", "{s}kneein"),
        ("{s}kneestudy", "{s}mkneestudy"), ("{s}lknee", "{s}mknee"),
        ("{s}kne",), ("{s}lkne",), ("{s}kneelat",), ("{s}lfc",), ("{s}fle",), ("{s}lek",),
        ("{s}kneeout",), ("{s}kneestudy",),
    ),
    "ankle": (
        ("{s}ajc",), ("{s}tio",), ("{s}ankle",),
        ("{s}ank", "{s}med"), ("{s}ank", "{s}mank"), ("{s}ank", "{s}ankm"),
        ("{s}anklelat", "{s}anklemed"), ("{s}latankle", "{s}medankle"), ("{s}lmal", "{s}mmal"),
        ("{s}lma", "{s}mma"), ("{s}fal", "{s}tam"), ("{s}lm", "{s}mm"),
        ("{s}ankleout", "{s}anklein"), ("{s}anklestudy", "{s}manklestudy"),
        ("{s}ank",), ("{s}anklelat",), ("{s}lmal",), ("{s}lma",), ("{s}fal",), ("{s}lm",),
        ("{s}ankleout",), ("{s}anklestudy",),
    ),
    "foot": (
        ("{s}bigtoe", "{s}smalltoe"), ("{s}toetip",), ("{s}toeout", "{s}toein"),
        ("{s}forefootin", "{s}forefootout"), ("{s}fm1", "{s}fm5"), ("{s}bigtoe",), ("{s}toe",),
        ("{s}toestudy",), ("{s}fm2",), ("{s}mt1", "{s}mt5"), ("{s}2nd",), ("{s}toeout",),
        ("{s}toebase",),
    ),
    "shoulder": (
        ("{s}sjc",), ("{s}hup",), ("{s}clo",), ("{s}shoulder",),
        ("{s}shoulderfront", "{s}shoulderback"), ("{s}frontshoulder", "{s}backshoulder"),
        ("{s}ash", "{s}psh"), ("{s}sho",), ("{s}acr",), ("{s}acromium",), ("{s}acromion",),
        ("{s}sae",), ("{s}shouldertop",), ("{s}shoulderstudy",),
    ),
    "elbow": (
        ("{s}ejc",), ("{s}huo",), ("{s}elbow",),
        ("{s}elb", "{s}elbm"), ("{s}elb", "{s}melb"), ("{s}lel", "{s}mel"), ("{s}lelb", "{s}melb"),
        ("{s}elbowlat", "{s}elbowmed"), ("{s}latelbow", "{s}medelbow"), ("{s}hle", "{s}hme"),
        ("{s}lee", "{s}mee"), ("{s}elbowout", "{s}elbowin"), ("{s}lelbowstudy", "{s}melbowstudy"),
        ("{s}elb",), ("{s}lel",), ("{s}elbowlat",), ("{s}hle",), ("{s}lee",), ("{s}elbowout",),
        ("{s}lelbowstudy",),
    ),
    "wrist": (
        ("{s}wjc",), ("{s}rao",), ("{s}wrist",),
        ("{s}wra", "{s}wrb"), ("{s}wristlat", "{s}wristmed"), ("{s}latwrist", "{s}medwrist"),
        ("{s}faradius", "{s}faulna"), ("{s}rsp", "{s}usp"), ("{s}lw", "{s}mw"),
        ("{s}wristout", "{s}wristin"), ("{s}lwriststudy", "{s}mwriststudy"),
        ("{s}wra",), ("{s}wrb",), ("{s}wristlat",), ("{s}faradius",), ("{s}rsp",), ("{s}wristout",),
    ),
    "hand": (("{s}hno",), ("{s}fin",), ("{s}hm2",), ("{s}handout",), ("{s}hand",)),
}  # fmt: skip
"""Rules for the joints of one side."""

TRUNK: dict[str, Rules] = {
    "head": (
        ("lfhd", "rfhd", "lbhd", "rbhd"), ("headl", "headr"), ("lhead", "rhead"),
        ("lear", "rear"), ("lfhd", "rfhd"), ("hedo",), ("headfront", "headback"), ("headtop",),
        ("tophead",), ("thead",), ("head",),
    ),
    "shoulder center": (("c7", "clav"), ("c7", "sternum"), ("cv7", "sjn"), ("neck",)),
    "spine": (("t10", "strn"), ("t10", "xyph"), ("tv10", "sxs")),
    "hip center": (("midhip",), ("hip",)),
}  # fmt: skip
"""Rules for the joints in the middle; without them, hips and shoulders stand for these joints."""

ASIS: Rules = (
    ("{s}asi",), ("{s}asis",), ("{s}asisstudy",), ("{s}ias",), ("waist{s}front",),
)  # fmt: skip
"""The front of the pelvis."""
PSIS: Rules = (
    ("lpsi", "rpsi"), ("lpsis", "rpsis"), ("lpsisstudy", "rpsisstudy"), ("lips", "rips"),
    ("waistlback", "waistrback"), ("sacr",), ("vsacral",), ("sacrum",), ("waistback",),
)  # fmt: skip
"""The middle of its back."""
