"""Actions in a stream of frames."""
