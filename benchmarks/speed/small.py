"""Compare shipped encoders with the papers' network in plain eager PyTorch, in one run.

    python benchmarks/speed/small.py --write docs/benchmarks.md

The reference is that of `embed.py`: 120 frames, 8 blocks, both body slots, random weights. The
networks differ, so only times are compared. Each round runs everything once; the table shows
medians over the rounds, of the networks alone: clips are prepared before.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from embed import PLAIN, Contender, example_clips, interleaved, plain
from report import machine, report

from stars_infer.bench.network import choices_here
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import GRAPH_FILE, find_model, read_model_info
from stars_infer.runtimes.open import open_runtime
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=["stars-mocap-small"])
    parser.add_argument("--batch", type=int, action="append", help="clips at once; default 1, 8")
    parser.add_argument("--rounds", type=int, default=7, help="timed, after one that warms up")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- small -->")
    options = parser.parse_args()
    torch.manual_seed(0)
    reference = plain(SkeletonEncoder(EncoderConfig()).eval())
    rows: list[list[str]] = []
    for bodies in (1, 2):
        for batch in options.batch or (1, 8):
            times = {}
            for model in options.models:
                taken, shipped = contenders(model)
                fitting = example_clips(bodies, batch, taken)
                theirs = example_clips(bodies, batch, EncoderConfig().frames)
                whole = Contender(
                    name=PLAIN, embed=lambda _, clips=theirs: reference.embed(clips),
                    precision=reference.precision, both_slots=True,
                )  # fmt: skip
                medians, _ = interleaved([whole, *shipped], fitting, options.rounds)
                times |= {name: (took, medians[PLAIN] / took) for name, took in medians.items()}
            rows += [
                [str(bodies), str(batch), name, f"{1000 * took / batch:.2f}", f"{ratio:.0f}"]
                for name, (took, ratio) in times.items()
            ]
    about = f"{machine('torch', 'onnxruntime', 'openvino')}. Medians of {options.rounds} rounds."
    table = [["bodies", "clips at once", "run by", "ms a clip", "ratio"], *rows]
    report(about, table, options.write, "small")


def contenders(model: str) -> tuple[int, list[Contender]]:
    """The frames of a model, and every way to run it here."""
    folder = find_model(model)
    info, graph = read_model_info(folder), folder / GRAPH_FILE
    return info.preprocessing.frames, [
        Contender(
            name=f"{info.name}, {how}",
            embed=Encoder(info, partial(open_runtime, graph, how)).embed_prepared,
            precision=how.precision,
        )
        for how in choices_here(graph)
    ]


if __name__ == "__main__":
    main()
