"""Teach three actions by three clips each, then name clips of other people."""

import numpy as np

from stars_infer import Recognizer
from stars_infer.synthetic.actions import perform

random = np.random.default_rng(0)
actions = Recognizer()  # in memory; Recognizer("stars.db") keeps the examples in a file
for name in ("wave", "clap", "squat"):
    # Instead of these arrays, give paths: actions.add("wave", ["anna.json", "ben.bvh"]).
    actions.add(name, [perform(name, random) for _ in range(3)])
print(f"learned {actions.counts}")

for shown in ("wave", "clap", "squat", "walk"):  # nobody has taught it to walk
    answer = actions.predict(perform(shown, random))
    chance = answer.confidence if answer.known else 1 - answer.chance_known
    print(f"{shown}: {answer.answer}, {chance:.0%} sure (nearest: {answer.neighbors[0].label})")
