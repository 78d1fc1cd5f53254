"""Measure how long seeing the people in a picture takes, by pose model and people looked for.

    taskset -c 0 python benchmarks/speed/video.py VIDEO... --models lite.task full.task heavy.task

Times are those of the processor, all threads together, so that other programs do not count; on one
core they are the least that a picture takes. Decoding is measured apart.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import numpy as np

from stars_infer.pose.estimator import MediaPipePose
from stars_infer.pose.people import people_in
from stars_infer.pose.pictures import Picture, Pictures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--models", nargs="+", type=Path, required=True)
    parser.add_argument("--people", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--pictures", type=int, default=100, help="of each video, at most")
    options = parser.parse_args()
    for video in options.videos:
        began = time.process_time()
        with Pictures(video) as source:
            pictures = list(islice(source, options.pictures))
        high, wide = pictures[0].image.shape[:2]
        each = 1000 * (time.process_time() - began) / len(pictures)
        print(
            f"{video}: {len(pictures)} pictures of {wide} x {high}, decoded in {each:.1f} ms each"
        )
        for model in options.models:
            for people in options.people:
                times, seen = measure(pictures, model, people)
                print(
                    f"  {model.name}, {people} looked for, {np.mean(seen):.2f} seen: "
                    f"{1000 * np.mean(times):.1f} ms a picture"
                )


def measure(
    pictures: list[Picture], model: Path, most_people: int
) -> tuple[list[float], list[int]]:
    """Processor time of each picture, seconds, and the people seen in it."""
    seer = MediaPipePose(model, most_people=most_people)
    times: list[float] = []
    seen: list[int] = []
    began = time.process_time()
    for frame in people_in(pictures, seer):
        now = time.process_time()
        times.append(now - began)
        seen.append(len(frame.people))
        began = now
    seer.close()
    return times, seen


if __name__ == "__main__":
    main()
