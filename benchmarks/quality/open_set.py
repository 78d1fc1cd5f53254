"""Unknown clips and confidence: half of the actions are not in the index.

    python benchmarks/quality/open_set.py --data DATA --write docs/open-set.md

n exemplars a class of half the classes, n in 1, 2, 5; all clips of all classes are asked together,
which teaches the share of unknown clips; forty draws of classes and exemplars. Each set is judged
by curves that were fitted to the other tuned sets, never by its own. `--fit` prints those fitted to
all tuned sets, which are what `stars_infer/classification/model_calibration.py` holds; with
`--nearest` those of large indexes, with `--vectors` those of models that compare vectors. Half a
minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sets import EvaluationSet, known_sets
from trials import Draw, collected, fitted_prior

from stars_infer.classification.calibration import Calibration
from stars_infer.classification.model_calibration import Prior
from stars_infer.classification.unknown_share import UnknownShare
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.evaluation.open_set import auroc, false_accept_at_recall
from stars_infer.evaluation.reliability import reliability, save_reliability_plot
from stars_infer.similarity.pairwise import similarity_of

SHOTS = (1, 2, 5)
HALF = ("set", "shots", "AUROC", "FPR@95", "unknown named", "known named", "right of named", "ECE",
        "right of those ≥ 0.9 sure")  # fmt: skip
NONE = ("set", "shots", "named", "right of named", "ECE", "right of those ≥ 0.9 sure")
LIMIT = ("set", "shots", *(f"asked {share:.0%}" for share in (0.05, 0.1, 0.2)))


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="shipped model or model directory")
    parser.add_argument("--fit", action="store_true", help="print curves fitted to all tuned sets")
    parser.add_argument("--vectors", action="store_true", help="compare vectors, for --fit")
    parser.add_argument("--nearest", action="store_true", help="as in a large index, for --fit")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    parser.add_argument("--plot", type=Path, help="picture of confidence and truth at 5 shots")
    options = parser.parse_args()
    console = Console()
    encoder = Encoder.load(options.model, device="cpu")
    width = None
    if encoder.info.comparison is not None and not options.vectors:
        width = encoder.info.comparison.kernel_width
    draws: dict[str, list[Draw]] = {}
    for data in known_sets(options.data, left_out):
        draws[data.name] = drawn(
            data, encoder, width, vectors=options.vectors, nearest=options.nearest
        )
        console.print(f"{data.name}: done")
    if options.fit:
        console.print(fitted_prior([draw for found in draws.values() for draw in found]))
        return
    rows = [
        row
        for name in draws
        for row in judged(name, draws[name], fitted_prior(others(draws, name)))
    ]
    tables = {
        "half unknown clips": (HALF, [row.half for row in rows]),
        "no unknown clips": (NONE, [row.none for row in rows]),
        "limits": (LIMIT, [row.limits for row in rows]),
    }
    for name, (header, cells) in tables.items():
        table = Table(*header, title=name)
        for line in cells:
            table.add_row(*line)
        console.print(table)
        if options.write:
            write_between_marks(options.write, name, [header, *cells])
    if options.plot:
        plot(draws, options.plot)


def left_out(error: ClipError) -> None:
    """Name a clip that is left out."""
    Console(stderr=True, soft_wrap=True).print(Text(f"left out: {error}", style="yellow"))


def drawn(
    data: EvaluationSet,
    encoder: Encoder,
    width: float | None,
    *,
    vectors: bool,
    nearest: bool = False,
) -> list[Draw]:
    """All draws of a set, with and without unknown clips."""
    if vectors:
        from stars_infer.similarity.pairwise import cosine_of

        similarity = cosine_of(encoder.embed(data.clips))
    else:
        encoded = encoder.encode(data.clips, query=True)
        similarity = similarity_of(encoded, data.exemplar, encoder.info.comparison)
    return list(collected(data, similarity, shots=SHOTS, width=width, nearest=nearest))


def others(draws: dict[str, list[Draw]], name: str) -> list[Draw]:
    """Draws of all other sets, of which `fitted_prior` takes the tuned; of the only set its own."""
    return [draw for other in draws if other != name for draw in draws[other]] or draws[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A row of each table."""

    half: Sequence[str]
    none: Sequence[str]
    limits: Sequence[str]


def judged(name: str, draws: Sequence[Draw], prior: Prior) -> list[Rows]:
    """Rows of a set, for each number of shots."""
    return [
        Rows(
            half=(name, str(n), *half_row([d for d in draws if d.n == n and d.unknown], prior)),
            none=(
                name,
                str(n),
                *none_row([d for d in draws if d.n == n and not d.unknown], prior),
            ),
            limits=(
                name,
                str(n),
                *limit_row([d for d in draws if d.n == n and d.unknown], prior),
            ),
        )
        for n in sorted({draw.n for draw in draws})
    ]


def half_row(draws: Sequence[Draw], prior: Prior) -> list[str]:
    """With half of the classes as unknown clips."""
    known, right, chance, sure = asked(draws, prior)
    named = chance > 0.5
    return [
        f"{100 * auroc(chance[known], chance[~known]):.1f}",
        f"{100 * false_accept_at_recall(chance[known], chance[~known]):.0f}",
        f"{100 * named[~known].mean():.0f}",
        f"{100 * named[known].mean():.0f}",
        f"{100 * right[named].mean():.0f}",
        f"{100 * reliability(sure, right).error:.1f}",
        surest(sure, right),
    ]


def none_row(draws: Sequence[Draw], prior: Prior) -> list[str]:
    """With all classes in the index."""
    _, right, chance, sure = asked(draws, prior)
    named = chance > 0.5
    return [
        f"{100 * named.mean():.0f}",
        f"{100 * right[named].mean():.0f}",
        f"{100 * reliability(sure, right).error:.1f}",
        surest(sure, right),
    ]


def limit_row(draws: Sequence[Draw], prior: Prior) -> list[str]:
    """Unknown clips that were named, and known clips, for each limit that was asked for."""
    cells = []
    for share in (0.05, 0.1, 0.2):
        shares = []
        for draw in draws:
            calibration = Calibration.of(draw.leave_out, prior)
            named = calibration.chance_known(draw.score_features) > calibration.threshold(share)
            shares.append((named[~draw.known].mean(), named[draw.known].mean()))
        unknown, known = 100 * np.mean(shares, axis=0)
        cells.append(f"{unknown:.0f} unknown clips, {known:.0f} known")
    return cells


def asked(draws: Sequence[Draw], prior: Prior) -> tuple[np.ndarray, ...]:
    """Known, right, chance of being known and confidence, of all clips of some draws."""
    parts = []
    for draw in draws:
        calibration = Calibration.of(draw.leave_out, prior)
        log_odds = calibration.log_odds(draw.score_features)
        share = calibration.learn_share(log_odds, UnknownShare())
        chance = calibration.chance_known(draw.score_features, share)
        parts.append(
            (draw.known, draw.right, chance, chance * calibration.chance_right(draw.score_features))
        )
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def surest(sure: np.ndarray, right: np.ndarray) -> str:
    """How many of the surest answers are right, and how many there are."""
    high = sure >= 0.9
    return (
        f"{100 * right[high].mean():.0f} ({100 * high.mean():.0f} % of all)" if high.any() else "–"
    )


def plot(draws: dict[str, list[Draw]], path: Path) -> None:
    """Confidence and truth, all sets together, half of the classes as unknown clips."""
    curves = {}
    for n in SHOTS:
        parts = []
        for name, found in draws.items():
            chosen = [draw for draw in found if draw.n == n and draw.unknown]
            if chosen:
                parts.append(asked(chosen, fitted_prior(others(draws, name)))[1::2])
        right, sure = (np.concatenate(column) for column in zip(*parts, strict=True))
        curves[n] = reliability(sure, right)
    save_reliability_plot(curves, path)


if __name__ == "__main__":
    main()
