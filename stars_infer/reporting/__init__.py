"""Reports that are sent by mail: one page each, of an index, an evaluation or a training run."""
