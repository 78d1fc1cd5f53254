"""Compare each runtime and precision with float32: vectors and few-shot accuracy on real clips.

    python benchmarks/speed/exact.py --data DATA                    # DATA/utd-mhad/CLASS/s1_t1.npy
    python benchmarks/speed/exact.py --data DATA --write docs/benchmarks.md

If the model has a graph in half precision (`stars export --fp16`), it is measured too; without a
GPU it runs on the CPU, which skips some of the rounding.

A precision is kept if the cosine to the float32 vector is 0.999 or more on every clip, and the
accuracy of the vectors (ridge regression, ten draws) stays within 0.3 points. Otherwise the script
exits with 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "quality"))

import numpy as np
from report import machine, report
from rich.progress import track
from run import left_out
from sets import SPLITS, EvaluationSet, folder_set

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import GRAPH_FILE, find_model, read_model_info
from stars_infer.errors import StarsError
from stars_infer.evaluation.fewshot import LabeledClips, evaluate
from stars_infer.runtimes.forms import HALF_FILE
from stars_infer.runtimes.onnxruntime import OnnxRuntime
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import EXACT, Runtime, RuntimeChoice
from stars_infer.similarity.features import unit
from stars_infer.similarity.pairwise import cosine_of

SHOTS, DRAWS = (1, 2, 5), 10
AT = " / ".join(map(str, SHOTS))
MAX_LOSS = 0.3
FLOAT32 = RuntimeChoice(device="cpu")


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with utd-mhad/ in it")
    parser.add_argument("--set", default="UTD-MHAD", choices=[split.name for split in SPLITS])
    parser.add_argument("--model", help="a shipped name or a model directory")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- exact -->")
    options = parser.parse_args()
    (split,) = (split for split in SPLITS if split.name == options.set)
    table = [["run by", "smallest cosine", "mean cosine", *map(str, SHOTS), "kept"]]
    try:
        folder = find_model(options.model)
        data = folder_set(replace(split, folder=options.data / split.folder), left_out)
        vectors = {name: embed(folder, name, way, data) for name, way in runtimes(folder).items()}
    except StarsError as error:
        sys.exit(f"error: {error}")
    exact = unit(vectors[str(FLOAT32)])
    expected = accuracies(vectors[str(FLOAT32)], data)
    all_kept = True
    for name, given in vectors.items():
        cosines = np.einsum("nd,nd->n", unit(given), exact)
        means = accuracies(given, data)
        loss = max(abs(a - b) for a, b in zip(means, expected, strict=True))
        kept = bool(cosines.min() >= EXACT and loss <= MAX_LOSS)
        all_kept &= kept
        shown = [
            f"{cosines.min():.6f}",
            f"{cosines.mean():.6f}",
            *(f"{mean:.1f}" for mean in means),
        ]
        table.append([name, *shown, "yes" if kept else "no"])
    where = machine("onnxruntime", "openvino", "numpy")
    about = f"{folder.name} on {data.name}, {len(data.clips)} clips; accuracy % at {AT} shots; "
    report(f"{about}{where}.", table, options.write, "exact")
    if not all_kept:
        sys.exit(1)


def runtimes(folder: Path) -> dict[str, Callable[[], Runtime]]:
    """Functions that open each runtime of a model, by name, float32 on the CPU first."""
    graph, half = folder / GRAPH_FILE, folder / HALF_FILE
    choices = dict.fromkeys([FLOAT32, *available_choices(graph)])
    found: dict[str, Callable[[], Runtime]] = {
        str(how): partial(open_runtime, graph, how) for how in choices
    }
    if half.exists() and not any(how.device == "cuda" for how in choices):
        found["fp16 graph on the CPU"] = partial(OnnxRuntime, half, FLOAT32)
    return found


def embed(
    folder: Path, name: str, open_network: Callable[[], Runtime], data: EvaluationSet
) -> FloatArray:
    """Vectors (N, D) of a set's clips by one runtime."""
    encoder = Encoder(read_model_info(folder), open_network)
    clips = track(data.clips, description=name, transient=True)
    return np.concatenate([encoder.embed([clip]) for clip in clips])


def accuracies(vectors: FloatArray, data: EvaluationSet) -> list[float]:
    """Mean accuracy for each number of shots, in per cent."""
    clips = LabeledClips(
        similarity=cosine_of(vectors),
        labels=data.labels,
        exemplar=data.exemplar,
        query=data.query,
        classifier=lambda n: Ridge(),
    )
    found = evaluate(clips, shots=SHOTS, draws=DRAWS)
    return [found[n].mean for n in SHOTS]


if __name__ == "__main__":
    main()
