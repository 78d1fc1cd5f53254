"""Name what is going on in a stream of frames, as they come."""

import numpy as np

from stars_infer import Recognizer, StreamClassifier
from stars_infer.synthetic.actions import FPS, perform

random = np.random.default_rng(0)
actions = Recognizer()
for name in ("wave", "squat", "kick"):
    actions.add(name, [perform(name, random) for _ in range(4)])

# What a camera would send: (bodies, joints, 3) in meters, thirty times a second.
frames = np.concatenate([perform(name, random) for name in ("squat", "wave")], axis=1)

stream = StreamClassifier(actions.encoder, actions.index, layout="ntu25")
for number, joints in enumerate(np.moveaxis(frames, 1, 0)):
    answer = stream.push(joints, time=number / FPS)
    if answer is not None and answer.changed:
        sure = f" ({answer.confidence:.0%})" if answer.label else ""
        print(f"{answer.time:4.1f} s: {answer.label or 'nothing known'}{sure}")
