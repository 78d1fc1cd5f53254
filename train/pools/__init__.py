"""Pools: views and the vectors they are to have, made once for many passes."""
