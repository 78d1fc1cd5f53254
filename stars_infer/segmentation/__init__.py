"""Actions in long recordings."""
