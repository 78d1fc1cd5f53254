"""The model directory, its encoder, and the agreement between runtimes."""
