"""The model directory, the encoder in it, and agreement between runtimes."""
