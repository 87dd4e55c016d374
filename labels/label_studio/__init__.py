"""The only place that knows Label Studio's field names: configuration, exports, tasks, push and pull."""

from labels.label_studio.config import label_config, read_config
from labels.label_studio.read import read_label_studio
from labels.label_studio.tasks import write_tasks

__all__ = ["label_config", "read_config", "read_label_studio", "write_tasks"]
