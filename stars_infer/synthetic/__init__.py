"""Synthetic motion: a simple kinematic body that performs a few actions.

The demo and the tests use it, since the recordings of data sets may not be shipped.
"""
