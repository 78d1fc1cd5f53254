"""Unknown clips and confidence: half of the actions are not in the index.

    python benchmarks/quality/open_set.py --data DATA --write docs/open-set.md

n exemplars a class of half the classes, n in 1, 2, 5; all clips of all classes are asked together,
which teaches the share of unknown clips; forty draws of classes and exemplars. Half a minute on one
core. The curves are the model's own, and were fitted to simulated sets made of motion capture; the
table `curves` compares them with curves that are fitted to the other evaluation sets.

    python benchmarks/quality/open_set.py --data DATA --fit

makes the simulated sets and prints the curves that
`stars_infer/classification/model_calibration.py` holds: of models that compare sequences, and of
those that compare vectors. A minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sets import EvaluationSet, known_sets
from simulated import simulated_sets
from trials import DRAWS, Draw, collected, fitted_prior

from stars_infer.classification.calibration import Calibration
from stars_infer.classification.model_calibration import OF_VECTORS, Prior
from stars_infer.classification.unknown_share import UnknownShare
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.evaluation.open_set import auroc, false_accept_at_recall
from stars_infer.evaluation.reliability import reliability, save_reliability_plot
from stars_infer.similarity.features import Features, vectors_of
from stars_infer.similarity.pairwise import cosine_of, similarity_of

SHOTS = (1, 2, 5)
HALF = ("set", "shots", "AUROC", "FPR@95", "unknown named", "known named", "right of named", "ECE",
        "ECE, said", "right of those ≥ 0.9 sure")  # fmt: skip
NONE = ("set", "shots", "named", "right of named", "ECE", "ECE, said", "right of those ≥ 0.9 sure")
LIMITS = (0.05, 0.1, 0.2)
LIMIT = ("set", "shots", "at best", *(f"asked {share:.0%}" for share in LIMITS))
CURVES = ("curves fitted to", "half unknown: ECE", "ECE, said", "none unknown: ECE", "ECE, said")
SAID = {True: 0.5, False: 0.03}
"""What a user says who expects half of the clips to be unknown, or hardly any."""
SIMULATED_DRAWS = 4


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="shipped model or model directory")
    parser.add_argument("--fit", action="store_true", help="print curves fitted to simulated sets")
    parser.add_argument("--vectors", action="store_true", help="compare vectors, not sequences")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    parser.add_argument("--plot", type=Path, help="picture of confidence and truth at 5 shots")
    options = parser.parse_args()
    console = Console()
    encoder = Encoder.load(options.model, device="cpu")
    if options.fit:
        fit(encoder, options.data / "mocap", console)
        return
    draws: dict[str, list[Draw]] = {}
    for data in known_sets(options.data, left_out):
        features = encoder.encode(data.clips, query=not options.vectors)
        draws[data.name] = drawn(data, features, encoder, vectors=options.vectors)
        console.print(f"{data.name}: done")
    prior = (OF_VECTORS if options.vectors else encoder.info.calibration).ridge
    rows = [row for name, found in draws.items() for row in judged(name, found, prior)]
    tables = {
        "half unknown clips": (HALF, [row.half for row in rows]),
        "no unknown clips": (NONE, [row.none for row in rows]),
        "limits": (LIMIT, [row.limits for row in rows]),
        "curves": (CURVES, compared(draws, prior)),
    }
    for name, (header, cells) in tables.items():
        table = Table(*header, title=name)
        for line in cells:
            table.add_row(*line)
        console.print(table)
        if options.write:
            write_between_marks(options.write, name, [header, *cells])
    console.print(f"means of AUROC at {SHOTS} shots: {means_of_auroc(draws, prior)}")
    if options.plot:
        plot(draws, prior, options.plot)


def fit(encoder: Encoder, folder: Path, console: Console) -> None:
    """Print curves fitted to simulated sets."""
    draws: dict[str, list[Draw]] = {"OF_SEQUENCES": [], "OF_VECTORS": []}
    for data in simulated_sets(folder):
        features = encoder.encode(data.clips)
        for name, found in draws.items():
            vectors = name == "OF_VECTORS"
            found += drawn(data, features, encoder, vectors=vectors, draws=SIMULATED_DRAWS)
        console.print(f"{data.name}: {len(set(data.labels))} actions, {len(data.clips)} clips")
    for name, found in draws.items():
        console.print(f"{name}: {fitted_prior(found)}")


def left_out(error: ClipError) -> None:
    """Name a clip that is left out."""
    Console(stderr=True, soft_wrap=True).print(Text(f"left out: {error}", style="yellow"))


def drawn(
    data: EvaluationSet,
    features: Sequence[Features],
    encoder: Encoder,
    *,
    vectors: bool,
    draws: int = DRAWS,
) -> list[Draw]:
    """All draws of a set, with and without unknown clips."""
    how = encoder.info.comparison
    if vectors or how is None:
        similarity, width = cosine_of(vectors_of(features)), None
    else:
        similarity, width = similarity_of(features, data.exemplar, how), how.kernel_width
    found = collected(data, similarity, shots=SHOTS, width=width, draws=draws)
    return list(found)


def others(draws: dict[str, list[Draw]], name: str) -> list[Draw]:
    """Draws of all other sets; of the only set its own."""
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
        f"{100 * within_indexes(draws):.1f}",
        f"{100 * false_accept_at_recall(chance[known], chance[~known]):.0f}",
        f"{100 * named[~known].mean():.0f}",
        f"{100 * named[known].mean():.0f}",
        f"{100 * right[named].mean():.0f}",
        f"{100 * reliability(sure, right).error:.1f}",
        f"{100 * error(draws, prior, SAID[True]):.1f}",
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
        f"{100 * error(draws, prior, SAID[False]):.1f}",
        surest(sure, right),
    ]


def limit_row(draws: Sequence[Draw], prior: Prior) -> list[str]:
    """What can be promised, and the unknown and the known clips that each limit lets pass."""
    calibrations = [Calibration.of(draw.leave_out, prior) for draw in draws]
    cells = [f"{calibrations[0].finest:.0%}"]
    for share in LIMITS:
        shares = []
        for draw, calibration in zip(draws, calibrations, strict=True):
            named = calibration.chance_known(draw.score_features) > calibration.threshold(share)
            shares.append((named[~draw.known].mean(), named[draw.known].mean()))
        unknown, known = 100 * np.mean(shares, axis=0)
        cells.append(f"{unknown:.0f} unknown clips, {known:.0f} known")
    return cells


def compared(draws: dict[str, list[Draw]], prior: Prior) -> list[list[str]]:
    """Mean errors over all sets: of curves of simulated and of other evaluation sets."""
    left = {name: fitted_prior(others(draws, name)) for name in draws}
    rows = []
    for title, priors in (
        ("simulated sets, as shipped", dict.fromkeys(draws, prior)),
        ("the other evaluation sets", left),
    ):
        cells = []
        for unknown in (True, False):
            for said in (None, SAID[unknown]):
                means = [
                    np.mean([error(some, priors[name], said) for name, some in found])
                    for found in by_shots(draws, unknown=unknown)
                ]
                cells.append(" / ".join(f"{100 * mean:.1f}" for mean in means))
        rows.append([title, *cells])
    return rows


def by_shots(
    draws: dict[str, list[Draw]], *, unknown: bool
) -> Iterable[list[tuple[str, list[Draw]]]]:
    """For each number of shots, the draws of each set that has so many."""
    for n in SHOTS:
        found = [
            (name, [draw for draw in some if draw.n == n and draw.unknown == unknown])
            for name, some in draws.items()
        ]
        yield [(name, some) for name, some in found if some]


def means_of_auroc(draws: dict[str, list[Draw]], prior: Prior) -> str:
    """Over all sets, within each index, and of clips of all indexes of a set together."""
    within, together = [], []
    for found in by_shots(draws, unknown=True):
        within.append(np.mean([within_indexes(some) for _, some in found]))
        answers = [asked(some, prior) for _, some in found]
        together.append(
            np.mean([auroc(chance[known], chance[~known]) for known, _, chance, _ in answers])
        )
    return " and ".join(
        " / ".join(f"{100 * one:.1f}" for one in means) for means in (within, together)
    )


def within_indexes(draws: Sequence[Draw]) -> float:
    """Chance that a known clip is rated above an unknown one that the same index is asked."""
    rated = [(draw.score_features.strength, draw.known) for draw in draws]
    return float(np.mean([auroc(rating[known], rating[~known]) for rating, known in rated]))


def error(draws: Sequence[Draw], prior: Prior, said: float | None) -> float:
    """Expected calibration error, the share of unknown clips said, or learned if None."""
    _, right, _, sure = asked(draws, prior, said)
    return reliability(sure, right).error


def asked(draws: Sequence[Draw], prior: Prior, said: float | None = None) -> tuple[np.ndarray, ...]:
    """Known, right, chance of being known and confidence, of all clips of some draws."""
    parts = []
    for draw in draws:
        calibration = Calibration.of(draw.leave_out, prior)
        log_odds = calibration.log_odds(draw.score_features)
        share = calibration.learn_share(log_odds, UnknownShare(said=said))
        chance = calibration.chance_known(draw.score_features, share)
        parts.append(
            (draw.known, draw.right, chance, chance * calibration.chance_right(draw.named))
        )
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def surest(sure: np.ndarray, right: np.ndarray) -> str:
    """How many of the surest answers are right, and how many there are."""
    high = sure >= 0.9
    return (
        f"{100 * right[high].mean():.0f} ({100 * high.mean():.0f} % of all)" if high.any() else "–"
    )


def plot(draws: dict[str, list[Draw]], prior: Prior, path: Path) -> None:
    """Confidence and truth, all sets together, half of the classes as unknown clips."""
    curves = {}
    for n, found in zip(SHOTS, by_shots(draws, unknown=True), strict=True):
        parts = [asked(some, prior)[1::2] for _, some in found]
        right, sure = (np.concatenate(column) for column in zip(*parts, strict=True))
        curves[n] = reliability(sure, right)
    save_reliability_plot(curves, path)


if __name__ == "__main__":
    main()
