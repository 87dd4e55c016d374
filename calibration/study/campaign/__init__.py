"""The state of a labelling campaign, and samples to label."""
