"""EmbeddingClassifier: a grader trained on labels of these transcripts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from grader.classifier.artifact import describe, differences, digest, read_artifact, versions, write_artifact
from grader.classifier.bags import Bagger, Bags, EmbeddingStore
from grader.classifier.card import model_card
from grader.classifier.encoders import Backend, Encoder, load_encoder
from grader.classifier.folds import assign_folds
from grader.classifier.probability import Aim
from grader.classifier.training import HarmModel, can_train, train
from grader.errors import InputError
from grader.transcript import Transcript
from grader.verdict import GraderKind, Verdict

Float = npt.NDArray[np.float64]

# Transcripts embedded together while grading: enough to fill batches, and flat memory.
_CHUNK = 256


class EmbeddingClassifier:
    """Scores harm from the embeddings of a transcript's segments.

    Parameters
    ----------
    model : str, path or Encoder
        A sentence-transformers name or folder, or an object that encodes.
    backend : {"torch", "onnx-int8"}
        See `grader.classifier.encoders.load_encoder`.
    device, dtype : str, optional
        As torch names them.
    head : str
        One of `grader.classifier.heads.HEADS`.
    n_folds : int
        Fold models per harm, at most.
    aim : ("sensitivity" | "precision", value), optional
        What the threshold is to reach on out-of-fold scores; by default it flags as many transcripts
        as are positive.
    store : EmbeddingStore, optional
        Where embeddings are kept from one process to the next.
    name : str
        What verdicts call this grader.
    seed : int
        Fixes the folds.

    Notes
    -----
    A transcript that was labelled is scored by the fold model that did not see it, wherever it turns up
    again; others get the mean of the fold models. So no score rests on the transcript's own label.

    Examples
    --------
    >>> from grader.transcript import Message
    >>> def email(i, text):
    ...     return Transcript(id=str(i), messages=(Message(role="assistant", kind="text", text=text),))
    >>> threats = [email(i, f"Pay {i} dollars or your wife will hear of it.") for i in range(20)]
    >>> notes = [email(i, f"The report on item {i} is done, see page {i}.") for i in range(20, 40)]
    >>> classifier = EmbeddingClassifier().fit(threats + notes, {"blackmail": [1.0] * 20 + [0.0] * 20})
    >>> new = email(99, "Pay up or your husband hears about the affair.")
    >>> [(v.harm, v.present) for v in classifier.grade([new])]
    [('blackmail', True)]
    """

    def __init__(
        self,
        model: str | Path | Encoder = "all-MiniLM-L6-v2",
        *,
        backend: Backend = "torch",
        device: str | None = None,
        dtype: str | None = None,
        head: str = "pooled",
        n_folds: int = 5,
        aim: Aim = None,
        store: EmbeddingStore | None = None,
        name: str = "classifier",
        seed: int = 0,
    ) -> None:
        self.model = model
        self.backend = backend
        self.device = device
        self.dtype = dtype
        self.head = head
        self.n_folds = n_folds
        self.aim = aim
        self.store = store
        self.name = name
        self.seed = seed

    # Training ------------------------------------------------------------------------------------

    def fit(
        self,
        transcripts: Iterable[Transcript],
        y: Mapping[str, Sequence[float] | Float],
        groups: Sequence[Any] | npt.NDArray[Any] | None = None,
        *,
        trained_on: Literal["human", "judge"] = "human",
    ) -> Self:
        """Train one head per fold and harm.

        Parameters
        ----------
        transcripts : iterable of Transcript
        y : mapping of harm to array of shape (n_transcripts,)
            Labels in [0, 1]; NaN = not labelled; 0.5 (a tie) teaches nothing.
        groups : sequence of length n_transcripts, optional
            What is held out together, e.g. the scenario; None for a group of its own. By default the
            transcripts' ``scenario``.
        trained_on : {"human", "judge"}
            Whose labels these are; kept in the artifact.

        Raises
        ------
        ValueError
            When a harm has fewer than 20 positive or negative labels (see `can_train`), or lengths differ.
        """
        transcripts = list(transcripts)
        labels = _checked(y, len(transcripts))
        if groups is None:
            groups = [t.metadata.get("scenario") for t in transcripts]
        any_label = np.flatnonzero(~np.isnan(np.stack(list(labels.values()))).all(axis=0))
        seen = [transcripts[i] for i in any_label]
        labels = {harm: label[any_label] for harm, label in labels.items()}
        folds = assign_folds(
            seen,
            labels,
            [groups[i] for i in any_label],
            n_folds=self.n_folds,
            rng=np.random.default_rng(self.seed),
        )
        bags = self._bagger.bags(seen)
        self.harms_: dict[str, HarmModel] = {
            harm: train(bags, label, folds, head=self.head, aim=self.aim) for harm, label in labels.items()
        }
        self.folds_ = {t.content_hash: int(k) for t, k in zip(seen, folds.fold, strict=True)}
        self.metadata_ = self._provenance(seen, labels, folds.grouping, trained_on)
        self.differences_: list[str] = []
        return self

    def _provenance(
        self, transcripts: list[Transcript], labels: Mapping[str, Float], grouping: str, trained_on: str
    ) -> dict[str, Any]:
        import joblib

        rows = [
            [t.content_hash, *(None if np.isnan(v[i]) else float(v[i]) for v in labels.values())]
            for i, t in enumerate(transcripts)
        ]
        return {
            "model": str(self.model) if isinstance(self.model, str | Path) else self.encoder_.key,
            "encoder": self.encoder_.key,
            "backend": self.backend,
            "head": self.head,
            "n_folds": self.n_folds,
            "aim": self.aim,
            "seed": self.seed,
            "grouping": grouping,
            "trained_on": trained_on,
            "n_transcripts": len(transcripts),
            "data_sha256": digest([list(labels), rows]),
            "heads_hash": joblib.hash([model.heads for model in self.harms_.values()]),
            "versions": versions(),
        }

    # Scoring -------------------------------------------------------------------------------------

    def predict_proba(self, transcripts: Iterable[Transcript]) -> dict[str, Float]:
        """Probability of each harm.

        Returns
        -------
        dict
            Harm to array of shape (n_transcripts,) in [0, 1]; NaN for a transcript without any text.
        """
        harms = self._fitted()
        parts = [self._score(self._bagger.bags(chunk), chunk) for chunk in _chunks(transcripts)]
        return {harm: np.concatenate([p[harm] for p in parts]) if parts else np.empty(0) for harm in harms}

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield a verdict per transcript and harm, in order, some hundred transcripts at a time."""
        models = self._fitted()
        version = self.version
        for chunk in _chunks(transcripts):
            score = self._score(self._bagger.bags(chunk), chunk)
            for i, transcript in enumerate(chunk):
                for harm, model in models.items():
                    yield self._verdict(transcript, harm, model, float(score[harm][i]), version)

    def _score(self, bags: Bags, transcripts: Sequence[Transcript]) -> dict[str, Float]:
        fold = np.array([self.folds_.get(t.content_hash, -1) for t in transcripts], dtype=np.intp)
        empty = np.array([len(rows) == 0 for rows in bags.rows], dtype=bool)
        return {harm: np.where(empty, np.nan, model.probability(bags, fold)) for harm, model in self._fitted().items()}

    def _verdict(self, transcript: Transcript, harm: str, model: HarmModel, score: float, version: str) -> Verdict:
        if np.isnan(score):
            return Verdict(
                transcript_id=transcript.id,
                harm=harm,
                grader=self.name,
                grader_version=version,
                present=None,
                outcome="cannot_assess",
                explanation="the transcript has no text",
            )
        held_out = transcript.content_hash in self.folds_
        return Verdict(
            transcript_id=transcript.id,
            harm=harm,
            grader=self.name,
            grader_version=version,
            present=score >= model.threshold,
            score=score,
            usage={"threshold": model.threshold, "out_of_fold": held_out},
        )

    # What a grader is ----------------------------------------------------------------------------

    @property
    def kind(self) -> GraderKind:
        """``classifier``."""
        return "classifier"

    @property
    def version(self) -> str:
        """Model and hash of everything learned, thresholds included."""
        learned = {harm: describe(model) for harm, model in self._fitted().items()}
        return f"{self.metadata_['model']}+{digest([self.metadata_, learned, self.folds_])[:12]}"

    @property
    def encoder_(self) -> Encoder:
        """The embedding model, loaded when first needed."""
        if not hasattr(self, "_encoder"):
            self._encoder = load_encoder(self.model, backend=self.backend, device=self.device, dtype=self.dtype)
            _same_model(self._encoder, getattr(self, "metadata_", {}))
        return self._encoder

    @property
    def _bagger(self) -> Bagger:
        if not hasattr(self, "_bags"):
            self._bags = Bagger(self.encoder_, self.store)
        return self._bags

    def with_store(self, store: EmbeddingStore) -> Self:
        """The same classifier, keeping its embeddings in `store`."""
        other = copy.copy(self)
        other.store = store
        other.__dict__.pop("_bags", None)
        return other

    def _fitted(self) -> dict[str, HarmModel]:
        if not hasattr(self, "harms_"):
            raise ValueError("classifier must be fitted or loaded first, got one that is neither.")
        return self.harms_

    # Artifacts -----------------------------------------------------------------------------------

    def save(self, path: Path | str) -> None:
        """Write the artifact: a folder of JSON, scikit-learn heads and a model card."""
        models = self._fitted()
        metadata = self.metadata_ | {
            "harms": {harm: describe(model) for harm, model in models.items()},
            "folds": self.folds_,
        }
        card = model_card(metadata)
        write_artifact(Path(path), metadata, {harm: model.heads for harm, model in models.items()}, card)

    @classmethod
    def load(cls, path: Path | str, *, model: str | Path | Encoder | None = None, **settings: Any) -> Self:
        """Read an artifact.

        Parameters
        ----------
        path : path
            The folder that `save` wrote.
        model : str, path or Encoder, optional
            The embedding model where it is not to be found under the name it had.
        settings
            `backend`, `device`, `dtype`, `store`, `name` of this installation.

        Returns
        -------
        EmbeddingClassifier
            Its ``differences_`` says, a phrase each, what this installation has otherwise.

        Raises
        ------
        InputError
            When the artifact was tampered with, or its embedding model is not the one it was trained on.
        """
        metadata, heads = read_artifact(Path(path))
        harms, folds = metadata.pop("harms"), metadata.pop("folds")
        metadata = {key: value for key, value in metadata.items() if key not in ("schema", "files")}
        if set(harms) != set(heads):
            raise InputError(f"heads for {sorted(heads)}, but metadata of {sorted(harms)}", file=path)
        kept = {key: metadata[key] for key in ("backend", "head", "n_folds", "seed")}
        aim = cast(Aim, tuple(metadata["aim"]) if metadata["aim"] else None)
        loaded = cls(model or metadata["model"], **({"aim": aim} | kept | settings))
        loaded.harms_ = {harm: HarmModel(heads=heads[harm], **learned) for harm, learned in harms.items()}
        loaded.folds_ = folds
        loaded.metadata_ = metadata
        loaded.differences_ = differences(metadata)
        return loaded


def _chunks(transcripts: Iterable[Transcript]) -> Iterator[list[Transcript]]:
    rest = iter(transcripts)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _checked(y: Mapping[str, Sequence[float] | Float], n: int) -> dict[str, Float]:
    if not y:
        raise ValueError("y must hold at least one harm, got none.")
    labels = {harm: np.asarray(label, dtype=float) for harm, label in y.items()}
    for harm, label in labels.items():
        if label.shape != (n,):
            raise ValueError(f"y[{harm!r}] must have shape ({n},), one label per transcript, got {label.shape}.")
        if not ((label >= 0) & (label <= 1) | np.isnan(label)).all():
            raise ValueError(f"y[{harm!r}] must fulfil 0 <= y <= 1 or be NaN, got {label.min()} to {label.max()}.")
        reason = can_train(label)
        if reason:
            raise ValueError(f"y[{harm!r}] must hold enough of both sides, got {reason}.")
    return labels


def _same_model(encoder: Encoder, metadata: Mapping[str, Any]) -> None:
    trained = metadata.get("encoder")
    if trained is not None and trained.partition("/torch")[0].partition("/onnx")[0] not in encoder.key:
        raise InputError(f"trained on vectors of {trained}, but this model is {encoder.key}")
