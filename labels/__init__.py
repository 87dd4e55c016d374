"""Human labels in, and what to label next."""

from labels.label_studio import label_config, read_label_studio, write_tasks
from labels.labelset import LabelSet
from labels.read import read_labels
from labels.sampling.designs import draw_sample

__all__ = ["LabelSet", "draw_sample", "label_config", "read_label_studio", "read_labels", "write_tasks"]
