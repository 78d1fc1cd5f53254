"""Joint layouts: the joints and bones of a skeleton, and how to map them to those of NTU RGB+D.

Every layout is a TOML file, in this folder or the user's own, that is read when it is first needed.
A layout is named, or recognized by the names of its joints. It is never guessed from the number of
joints: NTU RGB+D and OpenPose BODY_25 both have 25.
"""

from stars_infer.layouts.finding import get_layout, layout_names, layouts_with
from stars_infer.layouts.layout import (
    NTU25_INDEX,
    NTU25_JOINTS,
    Layout,
    Mixture,
    list_joints,
    mixture_matrix,
)
from stars_infer.layouts.matching import (
    NamedJoints,
    layout_for_names,
    match_names,
    nearest_layout,
)
from stars_infer.layouts.spelling import numbers_in

__all__ = [
    "NTU25",
    "NTU25_INDEX",
    "NTU25_JOINTS",
    "NTU25_PARENTS",
    "Layout",
    "Mixture",
    "NamedJoints",
    "get_layout",
    "layout_for_names",
    "layout_names",
    "layouts_with",
    "list_joints",
    "match_names",
    "mixture_matrix",
    "nearest_layout",
    "numbers_in",
]

NTU25 = get_layout("ntu25")

NTU25_PARENTS = NTU25.parents
"""The parent of each NTU-25 joint; the base of the spine is its own parent."""
