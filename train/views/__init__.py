"""Random views of training clips."""
