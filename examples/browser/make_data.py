"""Write `layouts.json` and the clips under `samples/`: all that the page needs from the library.

Run it again after a change of the joint layouts: `python examples/browser/make_data.py`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.layouts import get_layout, layout_names
from stars_infer.synthetic.actions import FPS, perform

HERE = Path(__file__).parent
TAUGHT = ("clap", "handshake", "kick", "squat", "wave")
EXAMPLES = 2
EVERY = 3  # frames: 10 a second are enough to see what the page does


def layouts() -> dict[str, Any]:
    """By name: the joints of each layout, and the [joint, weight] pairs of each NTU-25 joint."""
    found = {}
    for name in layout_names():
        layout = get_layout(name)
        matrix = layout.ntu25_matrix()
        mixtures = [
            [[int(v), round(float(row[v]), 6)] for v in np.flatnonzero(row)] for row in matrix
        ]
        found[name] = {"count": len(layout.joints), "names": layout.joints, "joints": mixtures}
    return found


def sample(action: str, *, person: int) -> dict[str, Any]:
    """A synthetic clip in the project's own JSON form, millimeters."""
    random = np.random.default_rng([person, TAUGHT.index(action)])
    bodies = perform(action, random, seconds=2.2)[:, ::EVERY]
    millimeters = np.rint(1000 * bodies).astype(int).tolist()
    return {"layout": "ntu25", "units": "mm", "fps": FPS / EVERY, "bodies": millimeters}


def write(path: Path, content: object) -> None:
    """Write compact JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(HERE / "layouts.json", layouts())
    for action in TAUGHT:
        for person in range(EXAMPLES):
            write(HERE / f"samples/{action}/{person + 1}.json", sample(action, person=person))
        write(HERE / f"samples/new/{action}.json", sample(action, person=EXAMPLES))
    write(
        HERE / "samples/index.json",
        {
            "teach": {
                action: [f"{action}/{person + 1}.json" for person in range(EXAMPLES)]
                for action in TAUGHT
            },
            "name": [f"new/{action}.json" for action in TAUGHT],
        },
    )
