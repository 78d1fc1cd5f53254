"""`python -m stars_infer` is `stars`."""

from stars_infer.cli import main

if __name__ == "__main__":
    main()
