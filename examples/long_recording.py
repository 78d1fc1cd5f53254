"""Find the actions in a long recording: when each begins and ends, and how sure that is."""

import numpy as np

from stars_infer import Clip, Recognizer
from stars_infer.segmentation.segment import segment
from stars_infer.synthetic.actions import FPS, perform

random = np.random.default_rng(0)
actions = Recognizer()
for name in ("wave", "squat", "kick"):
    actions.add(name, [perform(name, random) for _ in range(4)])

# A recording in which somebody does one thing after the other, and stands still in between.
# Yours may be a file: read_clip("morning.npy", recording=True).
parts = []
for name in ("squat", "wave", "kick"):
    motion = perform(name, random)
    parts += [motion, np.repeat(motion[:, -1:], int(FPS), axis=1)]
recording = Clip.from_array(np.concatenate(parts, axis=1), fps=FPS, recording=True)

print(f"a recording of {recording.frames / recording.fps:.0f} seconds")
for part in segment(recording, actions.encoder, actions.index):
    print(f"{part.start:5.1f} to {part.end:5.1f} s: {part.label}, {part.confidence:.0%} sure")
