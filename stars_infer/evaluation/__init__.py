"""Few-shot and open-set evaluation."""
