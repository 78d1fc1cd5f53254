"""Classifiers, calibration, unknown classes, predictions."""
