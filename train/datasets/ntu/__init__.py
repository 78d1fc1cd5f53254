"""NTU RGB+D and NTU RGB+D 120: names, actions, splits, missing skeletons, raw files."""
