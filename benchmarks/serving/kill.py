"""Kill `stars serve` again and again while clients teach it, and look for what is lost.

    python benchmarks/serving/kill.py --write docs/serving.md
    python benchmarks/serving/kill.py --writes 500 --kills 5     # the same, shorter

Eight clients add so many different clips. SIGKILL ends the server, at moments drawn at random, so
many times while they do; after each, it is started again with the same file, and the clients send
again what was not acknowledged. Every clip that was acknowledged must be there, and none twice.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from running import Connection, Server

sys.path.append(str(Path(__file__).parents[1] / "speed"))

from report import machine, report

from stars_infer.encoder.model import find_model, read_model_info
from stars_infer.index.index import ExemplarIndex
from stars_infer.synthetic.actions import perform

_CLIENTS = 8


class Teaching:
    """Clips that are still to be added, and those that were acknowledged."""

    def __init__(self, writes: int) -> None:
        self._joints = perform("wave", np.random.default_rng(0))[:, :40].astype(np.float32)
        self.waiting = list(range(writes))
        self.told: dict[int, str] = {}
        self.again = 0

    def clip(self, number: int) -> bytes:
        """One of many clips, no two of which are the same."""
        file = io.BytesIO()
        np.save(file, self._joints * np.float32(1 + number * 1e-6))
        return file.getvalue()

    async def client(self, port: int) -> None:
        """Add clips until there are none, or the server is gone."""
        connection = Connection(port)
        while self.waiting:
            number = self.waiting.pop()
            try:
                target = f"/v1/exemplars?label=wave&name={number}.npy"
                status, _, answer = await connection.post(target, self.clip(number))
            except OSError:
                self.waiting.append(number)
                self.again += 1
                return
            assert status == 201, answer
            self.told[number] = json.loads(answer)["clips"][0]["source"]
        connection.close()


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- kill -->")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        index = Path(name) / "stars.db"
        teaching = Teaching(options.writes)
        kills = asyncio.run(_teach(index, teaching, options.kills))
        lost, twice, kept = _look(index, teaching)
    print(f"{time.perf_counter() - began:.0f} s", flush=True)
    table = [
        ["what", "measured", "goal"],
        ["writes by eight clients", f"{options.writes:,}", ""],
        ["SIGKILL meanwhile", f"{kills}", f"{options.kills}"],
        ["sent again, since they were not acknowledged", f"{teaching.again:,}", ""],
        ["acknowledged", f"{len(teaching.told):,}", ""],
        ["of those not there at the end", f"{lost}", "0"],
        ["there twice", f"{twice}", "0"],
        ["exemplars in the file", f"{kept:,}", f"{options.writes:,}"],
    ]
    report(machine("stars-infer", "fastapi", "uvicorn"), table, options.write, "kill")
    if lost or twice or kept != options.writes:
        sys.exit("error: not every acknowledged exemplar is there once")
    if kills < options.kills:
        sys.exit(f"error: the writes ended after {kills} kills: give more --writes")


async def _teach(index: Path, teaching: Teaching, kills: int) -> int:
    """Teach all clips; how many times the server was killed meanwhile."""
    random = np.random.default_rng(1)
    done = 0
    while teaching.waiting:
        server = Server(index, "--readers", "2")
        clients = [asyncio.create_task(teaching.client(server.port)) for _ in range(_CLIENTS)]
        if done < kills:
            each = len(teaching.waiting) / (kills - done + 1)
            goal = len(teaching.told) + random.uniform(0.1, 0.9) * each
            while len(teaching.told) < goal and not all(one.done() for one in clients):
                await asyncio.sleep(random.uniform(0, 0.01))
            server.kill()
            done += 1
        await asyncio.gather(*clients)
        if done >= kills and not teaching.waiting:
            server.stop() if server.process.poll() is None else None
        if done % 10 == 0:
            print(f"{done} kills, {len(teaching.told):,} acknowledged", flush=True)
    return done


def _look(index: Path, teaching: Teaching) -> tuple[int, int, int]:
    """How many acknowledged clips are not there, how many are there twice, and how many are."""
    with ExemplarIndex.open(index, read_model_info(find_model()), create=False) as opened:
        sources = [one.source for one in opened.exemplars()]
    there = set(sources)
    lost = sum(source not in there for source in teaching.told.values())
    return lost, len(sources) - len(there), len(sources)


if __name__ == "__main__":
    main()
