"""Which transcripts to label: designs, allocation, rounds."""
