"""Mutated files of every format: each is read, or refused by an error of the project's own.

`python -m tests.faults.formats --count 1000000` runs the long form and writes a report.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import StarsError
from stars_infer.readers.bounds import BESIDE, TIMES
from stars_infer.readers.files import read_clips
from tests.faults.mutations import mutate
from tests.faults.seeds import NEEDS, OWN, seeds

SECONDS = 5.0
"""Longest that a small file may take of the processor."""
OUTCOMES = ("read", "refused", "escaped", "slow", "memory", "not finite", "odd message")
_ROOM = 10 << 30


OFTEN = (".json", ".pkl", ".npz joints", ".npz names", ".npz amass", ".bvh hips", "layout", "model",
         "runtime", "recipe", "pack", "checkpoint")  # fmt: skip
"""Beginnings of the kinds that are read fastest, of which four files come for one of the others."""


UNNAMED = (".json openpose", ".jsonl openpose", ".json own", ".jsonl own", ".pkl", ".csv spaces",
           ".h5 sleap", ".txt rows of joints")  # fmt: skip
"""Kinds that do not say which joints they hold."""
FLAT = (".json coco", ".jsonl coco")
"""Kinds that hold points of pictures."""


class TooSlowError(BaseException):
    """A file took longer than `SECONDS`."""


def _read_clips(path: Path, layout: str | None = None, flat: bool | None = None) -> int:
    """Read the clips of a file; the number of clips with values that are not finite."""
    errors: list[StarsError] = []
    wrong = 0
    for clip in read_clips(
        path, convention=Convention(layout=layout, flat=flat), skip=errors.append
    ):
        wrong += int(not np.isfinite(clip.bodies).all() or not clip.fps > 0)
    if errors:
        raise errors[0]
    return wrong


def _read_layout(path: Path) -> None:
    from stars_infer.layouts.reading import read_layout

    layout = read_layout(path)
    layout.ntu25_matrix()
    assert layout.parents is not None
    assert layout.counterparts is not None
    assert layout.synthesized is not None


def _read_recipe(path: Path) -> None:
    from stars_infer.train.recipe import load_recipe

    load_recipe(str(path))


def _read_model(path: Path) -> None:
    from stars_infer.encoder.model import read_model_info

    info = read_model_info(path.parent)
    info.comparison_in_words()
    json.dumps(info.to_json())


def _read_runtime(path: Path) -> None:
    from stars_infer.runtimes.saved import read_saved_runtime

    os.environ["XDG_CONFIG_HOME"] = str(path.parent.parent)
    saved = read_saved_runtime()
    assert saved is not None
    saved.why_not("f")


def _read_pack(path: Path) -> None:
    from stars_infer.train.datasets.pack import Pack

    joints = path.parent / "joints.f32"
    if not joints.exists():
        joints.write_bytes(bytes(8 * 25 * 3 * 4))
    pack = Pack.open(path.parent)
    if "xsub" in pack.splits:
        pack.part("xsub", "train")


def _read_checkpoint(path: Path) -> None:
    from stars_infer.train.checkpoint import load_checkpoint

    load_checkpoint(path).encoder_weights()


def _import(path: Path) -> None:
    from stars_infer.train.public_mamp import read_public_mamp

    read_public_mamp(path, heads=2)


def _read_engine(path: Path) -> None:
    from stars_infer.runtimes.gpu.engine import read_engine_info

    info = read_engine_info(path.parent)
    json.dumps([info.gpu, info.smallest_cosine], allow_nan=False)


def _read_collection(path: Path) -> int:
    from stars_infer.embedding.collection import Collection

    found = Collection.load(path)
    return int(not all(np.isfinite(np.asarray(one.vector)).all() for one in found.clip_features))


def _read_pool(path: Path) -> None:
    import torch

    from stars_infer.train.pools.pool import Pool

    for name in ("pool", "block"):
        other = path.parent / Path(_OWN[name][0]).name
        if not other.exists():
            other.write_bytes(seeds()[name])
    pool = Pool.open(path.parent)
    pool.take(torch.arange(min(4, len(pool.clips))))


def _read_landmarks(path: Path) -> None:
    from stars_infer.train.pools.nystrom import Nystrom

    Nystrom.load(path)


def _read_result(path: Path) -> int:
    from stars_infer.train.protocols.fusion import Part

    for name in ("result", "scores"):
        other = path.parent / Path(_OWN[name][0]).name
        if not other.exists():
            other.write_bytes(seeds()[name])
    part = Part.read(path.parent / "r.json")
    whole = np.isfinite(part.features).all() and len(part.task) == 4
    return int(not whole or not all((one < np.inf).all() for one in part.scores.values()))


def _start_from(path: Path) -> None:
    from stars_infer.train.protocols.encoders import load_encoder

    load_encoder(str(path))


def _read_skeleton(path: Path) -> int:
    motion = path.with_suffix(".amc")
    if not motion.exists():
        motion.write_bytes(seeds()[".amc"])
    return _read_clips(motion)


_OWN: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "layout": ("kinect20.toml", _read_layout),
    "recipe": ("own.toml", _read_recipe),
    "model": ("model/model.json", _read_model),
    "runtime": ("settings/stars-infer/runtime.json", _read_runtime),
    "pack": ("pack/pack.json", _read_pack),
    "checkpoint": ("checkpoint.safetensors", _read_checkpoint),
    "import": ("mamp.pth", _import),
    "skeleton of .amc": ("skeleton/c.asf", _read_skeleton),
    "engine": ("model/engine.json", _read_engine),
    "collection": ("vectors.npz", _read_collection),
    "pool": ("pool/pool.json", _read_pool),
    "block": ("pool/block-000000.npy", _read_pool),
    "landmarks": ("pool/landmarks.npz", _read_landmarks),
    "result": ("results/r.json", _read_result),
    "scores": ("results/r.npz", _read_result),
    "start": ("start.safetensors", _start_from),
}
"""For each file of the product's own: its name, and what reads it."""
assert set(_OWN) == set(OWN)


def kinds() -> list[str]:
    """The kinds of files that can be read here."""
    return [
        kind for kind in seeds()
        if find_spec(NEEDS.get(kind.split()[0], "numpy")) is not None
    ]  # fmt: skip


class Runner:
    """Writes mutated files of one kind into a folder, and reads each."""

    def __init__(self, kind: str, folder: Path) -> None:
        """Begin with a kind of `kinds`."""
        self.seed = seeds()[kind]
        layout, flat = "kinect20" if kind in UNNAMED else None, kind in FLAT or None
        read = partial(_read_clips, layout=layout, flat=flat)
        name, self.read = _OWN.get(kind, (f"c{kind.split()[0]}", read))
        self.path = folder / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if kind == ".amc":
            (folder / "c.asf").write_bytes(seeds()["skeleton of .amc"])
        others = [other for other in seeds() if other.split()[0] == kind.split()[0]]
        self.others = [seeds()[other] for other in others]
        self.highest = _peak()

    def content(self, seed: int) -> bytes:
        """The mutated file of a seed."""
        random = Random(seed)
        return mutate(random, self.seed, random.choice(self.others))

    def outcome(self, content: bytes) -> tuple[str, str]:
        """Read a file: one of `OUTCOMES`, and what was said."""
        self.path.write_bytes(content)
        began = time.process_time()
        what, said = self._outcome()
        if time.process_time() - began > SECONDS:
            return "slow", f"{time.process_time() - began:.1f} s, {what}: {said[:200]}"
        peak = _peak()
        if peak - self.highest > TIMES * len(content) + BESIDE:
            over = peak - self.highest
            _forget_peak()
            self.highest = max(self.highest, _peak())
            return "memory", f"{over / 1e6:.0f} MB, {what}: {said[:200]}"
        return what, said

    def _outcome(self) -> tuple[str, str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                wrong = self.read(self.path)
        except StarsError as error:
            said = str(error).replace(str(self.path.parent), "")
            return ("refused" if _is_clear(said) else "odd message"), said
        except TooSlowError:
            return "slow", "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # that is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {str(error)[:200]}"
            return "escaped", f"{said} ({Path(place.filename).name}:{place.lineno})"
        return ("not finite" if wrong else "read"), ""


def _is_clear(said: str) -> bool:
    """Whether a message is one line of moderate length, and can be read."""
    return 0 < len(said) < 1_500 and "\n" not in said


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def run(
    count: int,
    seed: int,
    *,
    report: Path,
    wanted: list[str],
    seconds: float = float("inf"),
    guard: bool = True,
) -> dict[str, Any]:
    """Read `count` mutated files of all kinds, and write a report every 30 seconds."""
    if guard:
        _guard()
    turns = [kind for kind in wanted for _ in range(4 if kind.startswith(OFTEN) else 1)]
    Random(seed).shuffle(turns)
    began = said = time.monotonic()
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in wanted}
    times: Counter[str] = Counter()
    found: dict[str, dict[str, Any]] = {}
    done = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as base:
        runners = {}
        for number, kind in enumerate(wanted):
            (Path(base) / str(number)).mkdir()
            runners[kind] = Runner(kind, Path(base) / str(number))
        while done < count and time.monotonic() - began < seconds:
            kind = turns[done % len(turns)]
            content = runners[kind].content(seed * 1_000_000_007 + done)
            signal.setitimer(signal.ITIMER_PROF, SECONDS if guard else 0)
            started = time.process_time()
            what, text = runners[kind].outcome(content)
            signal.setitimer(signal.ITIMER_PROF, 0)
            times[kind] += time.process_time() - started  # type: ignore[assignment]
            outcomes[kind][what] += 1
            if what not in ("read", "refused"):
                key = f"{kind}: {what}: {text.split('(')[-1][:60]}"
                if key not in found:
                    found[key] = {"seed": seed * 1_000_000_007 + done, "said": text[:600]}
                    sys.stderr.write(f"{kind} {done} {what}: {text[:300]}\n")
            done += 1
            if done == count or time.monotonic() - said > 30 or time.monotonic() - began > seconds:
                said = time.monotonic()
                facts = _facts(done, seed, began, outcomes, times, found)
                report.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return _facts(done, seed, began, outcomes, times, found)


def _facts(
    done: int, seed: int, began: float, outcomes: dict[str, Counter[str]], times: Counter[str],
    found: dict[str, dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    total = sum(outcomes.values(), Counter())
    return {
        "files": done, "seed": seed, "seconds": round(time.monotonic() - began, 1),
        "outcomes": {what: total[what] for what in OUTCOMES},
        "peak_MB": _peak() // 1_000_000,
        "kinds": {kind: dict(counts) for kind, counts in outcomes.items()},
        "milliseconds": {
            kind: round(1000 * times[kind] / max(1, outcomes[kind].total()), 2)
            for kind in outcomes
        },
        "found": found,
    }  # fmt: skip


def _guard() -> None:
    """End what takes too long, and let no file take the memory of the machine."""

    def late(*_: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, _ROOM))


def main() -> None:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--seconds", type=float, default=float("inf"))
    options.add_argument("--report", type=Path, default=Path("faults-formats.json"))
    options.add_argument("--show", type=int, help="only write out the file of this seed")
    options.add_argument("kinds", nargs="*", help="parts of the names of kinds; all if none")
    given = options.parse_args()
    wanted = [kind for kind in kinds()
              if not given.kinds or any(part in kind for part in given.kinds)]  # fmt: skip
    if given.show is not None:
        with tempfile.TemporaryDirectory() as folder:
            runner = Runner(wanted[0], Path(folder))
            content = runner.content(given.show)
            given.report.write_bytes(content)
            sys.stderr.write(f"{runner.outcome(content)}\n")
        return
    facts = run(given.count, given.seed, report=given.report, wanted=wanted, seconds=given.seconds)
    del facts["kinds"], facts["milliseconds"]
    sys.stdout.write(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
