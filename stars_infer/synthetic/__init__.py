"""Synthetic motion: a small kinematic body that performs a handful of actions.

It serves the demo and the tests, which must not depend on recordings that cannot be shipped.
"""
