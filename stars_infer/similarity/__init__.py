"""How similar clips are: sequences, dynamic time warping, nearest exemplars."""
