"""The command `stars`, and `python -m stars_infer`."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as of shells."""


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback, also while it is still loading.

    Whoever stops a command in its first half second stops it within an import, which is why that
    happens here and not above.
    """
    try:
        from stars_infer.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
