"""The trained embedding classifier."""

from grader.classifier.classifier import EmbeddingClassifier
from grader.classifier.encoders import Encoder
from grader.classifier.training import can_train

__all__ = ["EmbeddingClassifier", "Encoder", "can_train"]
