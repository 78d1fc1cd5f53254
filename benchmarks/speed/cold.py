"""Measure a cold start of `stars classify clip.skeleton` beside its bare imports.

    python benchmarks/speed/cold.py
    python benchmarks/speed/cold.py --processes 31 --write docs/benchmarks.md

Every figure is the time of a whole process, from start to end, with files in the disk cache and
bytecode compiled. Each round starts every process once; the table shows medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from report import machine, report
from rich.progress import track

from stars_infer.encoder.model import GRAPH_FILE, find_model

BARE = """
import sys, numpy, onnxruntime, faiss
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""
IMPORTS = "import numpy, onnxruntime, faiss"
STARS = (sys.executable, "-m", "stars_infer")
ACTIONS = ("wave", "clap", "walk")
_SHOWN = 8


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=15, help="of each kind")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- cold -->")
    options = parser.parse_args()
    graph = str(find_model() / GRAPH_FILE)
    with tempfile.TemporaryDirectory() as folder:
        clip = recordings(Path(folder))
        classify = (*STARS, "classify", clip, "--quiet")
        bare = "bare imports and a session"
        kinds = {
            bare: (sys.executable, "-c", BARE, graph),
            "bare imports": (sys.executable, "-c", IMPORTS),
            "stars classify clip.skeleton": classify,
            "stars embed clip.skeleton": (*STARS, "embed", clip, "--out", "v.npz", "--quiet"),
            "stars --help": (*STARS, "--help"),
            "python -c pass": (sys.executable, "-c", "pass"),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in track(range(options.processes + 1), description="measuring", transient=True):
            for name, command in kinds.items():
                times[name].append(seconds(command, folder))
        profile = import_profile(classify, folder)
    medians = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    table = [["process", "ms", "ratio"]]
    for name, took in medians.items():
        table.append([name, f"{1000 * took:.0f}", f"{took / medians[bare]:.2f}"])
    where = machine("numpy", "onnxruntime", "faiss-cpu", "typer", "pydantic")
    about = f"{where}. Medians of {options.processes} processes."
    report(about, table, options.write, "cold")
    imports = [["package", "ms of imports in `stars classify`"]]
    imports += [[name, f"{spent:.0f}"] for name, spent in profile.most_common(_SHOWN)]
    report("What is imported, once", imports, options.write, "cold imports")


def recordings(folder: Path) -> str:
    """Make clips and an index of three actions; returns a clip that is not in it."""
    run((*STARS, "demo", "--out", "demo", "--quiet"), str(folder))
    examples = [f"demo/{action}" for action in ACTIONS]
    run((*STARS, "fewshot", "add-class", *examples, "--quiet"), str(folder))
    return str(next((folder / "demo" / "squat").iterdir()).relative_to(folder))


def seconds(command: tuple[str, ...], folder: str) -> float:
    """Wall-clock time of a process."""
    began = time.perf_counter()
    run(command, folder)
    return time.perf_counter() - began


def run(command: tuple[str, ...], folder: str) -> str:
    """Run a process to its end and return its standard error."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "STARS_MODEL", "STARS_INDEX", "STARS_DEVICE")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stderr


def import_profile(command: tuple[str, ...], folder: str) -> Counter[str]:
    """Milliseconds spent on importing each package's own modules."""
    spent: Counter[str] = Counter()
    python, *arguments = command
    for line in run((python, "-X", "importtime", *arguments), folder).splitlines():
        if not line.startswith("import time:") or "[us]" in line:
            continue
        own, _, module = line.removeprefix("import time:").split("|")
        package = module.strip().split(".")[0]
        known = package in sys.stdlib_module_names
        spent["the standard library" if known else package] += int(own) / 1000
    return spent


if __name__ == "__main__":
    main()
