"""The scoring service: transcripts over HTTP, verdicts back."""
