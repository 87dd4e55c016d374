"""Where grading runs: this machine, or a Ray cluster."""
