"""Several judges as one grader: panels and cascades."""
