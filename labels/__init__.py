"""Human labels in, and what to label next."""

from labels.designs import draw_sample
from labels.label_studio import label_config, read_label_studio, write_tasks
from labels.labelset import LabelSet
from labels.tables import read_labels

__all__ = ["LabelSet", "draw_sample", "label_config", "read_label_studio", "read_labels", "write_tasks"]
