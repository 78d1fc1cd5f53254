"""Clips as vectors: numbers for any classifier, clustering or search that you already have."""

import numpy as np

from stars_infer import Clip, Encoder
from stars_infer.synthetic.actions import FPS, perform

random = np.random.default_rng(0)
labels = ["wave", "clap", "squat", "kick"] * 4
clips = [Clip.from_array(perform(label, random), layout="ntu25", fps=FPS) for label in labels]

encoder = Encoder.load()
vectors = encoder.embed(clips)  # (16, 256): similar clips have vectors of a similar direction
print(f"{len(vectors)} clips as vectors of {vectors.shape[1]} numbers")

# The nearest class mean, as an example of a tool of your own.
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
known, new = slice(0, 8), slice(8, 16)
names = sorted(set(labels))
means = [vectors[known][np.array(labels[known]) == name].mean(axis=0) for name in names]
guesses = [names[np.argmax(row)] for row in vectors[new] @ np.array(means).T]
right = sum(guess == label for guess, label in zip(guesses, labels[new], strict=True))
print(f"{right} of {len(guesses)} new clips named right")
