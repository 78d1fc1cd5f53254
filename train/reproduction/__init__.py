"""Tables of the papers from runs: what they need, in which order, how it was made, and reports."""
