"""Training: the two stages of STARS, their data and their loop."""
