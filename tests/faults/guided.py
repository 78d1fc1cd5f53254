"""The same faults, looked for by Atheris, which follows the branches of the code; optional.

`python -m tests.faults.guided .csv -max_total_time=600` after `pip install atheris`; further
arguments are those of libFuzzer. It stops at the first file that escapes, and keeps it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Fuzz the first kind that begins with the first argument."""
    import atheris

    with atheris.instrument_imports(include=["stars_infer"]):
        from tests.faults.formats import Runner, kinds
        from tests.faults.seeds import seeds
    kind = next(kind for kind in kinds() if kind.startswith(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, other in enumerate(seeds()):
            if other.split()[0] == kind.split()[0]:
                (corpus / str(number)).write_bytes(seeds()[other])
        runner = Runner(kind, Path(folder))

        def look(content: bytes) -> None:
            what, said = runner.outcome(content)
            if what not in ("read", "refused"):
                raise AssertionError(f"{what}: {said}")

        atheris.Setup([sys.argv[0], str(corpus), *sys.argv[2:]], look)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
