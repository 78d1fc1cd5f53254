"""PKU-MMD, parts I and II: actions, splits, raw files."""
