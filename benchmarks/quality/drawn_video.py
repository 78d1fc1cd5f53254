"""Name videos of drawn people whose actions were taught by videos of other drawn people.

    STARS_POSE_MODEL=full python benchmarks/quality/drawn_video.py

Each performer has a body, pace and manner of his own and is drawn with a face and clothes; the pose
model sees the drawings as it sees people. One action is taught by nobody, so that it is unknown.
Needs the extra [video] and a pose model.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich.progress import track

from stars_infer import Clip, Recognizer, read_clip
from stars_infer.synthetic.actions import ACTIONS, perform
from tests.stars_infer.pose.drawn_person import write_drawn_video

UNTAUGHT = "handshake"


def main() -> None:
    """Draw, teach, name, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shots", type=int, default=3, help="performers who teach")
    parser.add_argument("--others", type=int, default=5, help="performers who are named")
    options = parser.parse_args()
    clips = seen_clips(options.shots + options.others)
    actions = Recognizer(device="cpu")
    for action in ACTIONS:
        if action != UNTAUGHT:
            actions.add(action, [clips[who, action] for who in range(options.shots)])
    right = unknown = refused = 0
    for who in range(options.shots, options.shots + options.others):
        for action in ACTIONS:
            answer = actions.predict(clips[who, action])
            print(f"performer {who}, {action}: {answer.answer}, {answer.confidence:.2f}")
            if action == UNTAUGHT:
                refused += not answer.known
            else:
                right += answer.known and answer.label == action
                unknown += not answer.known
    known = options.others * (len(ACTIONS) - 1)
    print(
        f"{options.shots} shots: of {known} videos of taught actions {right} named right, ", end=""
    )
    print(f"{unknown} unknown; of {options.others} of an untaught action {refused} are unknown")


def seen_clips(performers: int) -> dict[tuple[int, str], Clip]:
    """What the pose model sees of each performer and action."""
    clips = {}
    with tempfile.TemporaryDirectory() as folder:
        for who in track(range(performers), "seeing"):
            random = np.random.default_rng(1000 + who)
            for action in ACTIONS:
                path = Path(folder) / f"{who}_{action}.mp4"
                clips[who, action] = read_clip(write_drawn_video(path, perform(action, random)[0]))
    return clips


if __name__ == "__main__":
    main()
