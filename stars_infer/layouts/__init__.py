"""Joint layouts: names and bones of a skeleton, and its way to the 25 joints of NTU RGB+D.

Every layout is a TOML file in this folder, read when it is first asked for; a user's own file does
as well. A layout is named, or recognized by the names of its joints, never guessed from a joint
count: NTU and OpenPose BODY_25 both have 25.
"""

from stars_infer.layouts.finding import get_layout, layout_for_names, layout_names, layouts_with
from stars_infer.layouts.layout import (
    NTU25_INDEX,
    NTU25_JOINTS,
    Layout,
    Mixture,
    list_joints,
    mixture_matrix,
)

__all__ = [
    "NTU25",
    "NTU25_INDEX",
    "NTU25_JOINTS",
    "NTU25_PARENTS",
    "Layout",
    "Mixture",
    "get_layout",
    "layout_for_names",
    "layout_names",
    "layouts_with",
    "list_joints",
    "mixture_matrix",
]

NTU25 = get_layout("ntu25")

NTU25_PARENTS = NTU25.parents
"""For each NTU-25 joint the one it hangs on; the base of the spine hangs on itself."""
