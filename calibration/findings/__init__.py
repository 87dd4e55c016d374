"""The records that a study hands to a report."""
