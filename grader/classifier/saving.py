"""What a trained classifier is on disk, and what comes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.artifact import digest, read_artifact, versions, write_artifact
from grader.classifier.encoders import Encoder
from grader.classifier.gate import Gate
from grader.classifier.model_card import model_card
from grader.classifier.novelty import Novelty
from grader.classifier.training import HarmModel
from grader.errors import InputError
from grader.transcript import Transcript

Float = npt.NDArray[np.float64]

# Settings of `EmbeddingClassifier` that an artifact brings back.
_ARGUMENTS = ("backend", "n_folds", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that a trained classifier consists of, `differences` as `differences` tells them."""

    harms: dict[str, HarmModel]
    folds: dict[str, int]
    unlike: dict[str, float]
    novelty: Novelty
    metadata: dict[str, Any]
    arguments: dict[str, Any]
    differences: list[str]


def describe(model: HarmModel) -> dict[str, Any]:
    """What metadata keeps of a harm's model: everything but the heads."""
    fields = {name: getattr(model, name) for name in HarmModel.__dataclass_fields__ if name != "heads"}
    return fields | {"gate": model.gate.to_dict()}


def data_hash(transcripts: Sequence[Transcript], labels: Mapping[str, Float]) -> str:
    """Hash of the transcripts' contents and their labels: what a classifier learned from."""
    columns = list(labels.values())
    rows = [
        [t.content_hash, *(None if np.isnan(v[i]) else float(v[i]) for v in columns)] for i, t in enumerate(transcripts)
    ]
    return digest([list(labels), rows])


def heads_hash(harms: Mapping[str, HarmModel]) -> str:
    """Hash of every number in the heads."""
    import joblib

    return str(joblib.hash([model.heads for model in harms.values()]))


def save_parts(
    folder: Path,
    metadata: Mapping[str, Any],
    harms: Mapping[str, HarmModel],
    folds: Mapping[str, int],
    unlike: Mapping[str, float],
    novelty: Novelty,
) -> None:
    """Write the artifact into `folder`."""
    record = dict(metadata) | {
        "harms": {harm: describe(model) for harm, model in harms.items()},
        "folds": dict(folds),
        "unlikeness": dict(unlike),
        "novelty_limit": novelty.limit,
    }
    heads = {harm: model.heads for harm, model in harms.items()}
    arrays: dict[str, npt.NDArray[Any]] = {
        "profiles": novelty.profiles,
        "pairs": novelty.pairs,
        "unseen": novelty.unseen,
        "distance": novelty.distance,
    }
    write_artifact(folder, record, heads, arrays, model_card(record))


def load_parts(folder: Path, *, model: str | Path | Encoder | None, harms: Collection[str] | None) -> Parts:
    """Read what `save_parts` wrote; see `EmbeddingClassifier.load`."""
    metadata, heads, arrays = read_artifact(folder)
    try:
        return _parts(folder, metadata, heads, arrays, model=model, harms=harms)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # forged: its hash is right
        raise InputError(f"is not as harmrate writes it ({type(error).__name__}: {error})", file=folder) from None


def _parts(
    folder: Path,
    metadata: dict[str, Any],
    heads: dict[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    model: str | Path | Encoder | None,
    harms: Collection[str] | None,
) -> Parts:
    learned, limit = metadata.pop("harms"), float(metadata.pop("novelty_limit"))
    metadata = {key: value for key, value in metadata.items() if key not in ("schema", "files")}
    if set(learned) != set(heads):
        raise InputError(f"heads for {sorted(heads)}, but metadata of {sorted(learned)}", file=folder)
    aim = tuple(metadata["aim"]) if metadata["aim"] else None
    return Parts(
        harms={
            harm: HarmModel(heads=heads[harm], **(rest | {"gate": Gate.from_dict(rest["gate"])}))
            for harm, rest in learned.items()
        },
        folds={str(content): int(fold) for content, fold in metadata.pop("folds").items()},
        unlike={str(content): float(value) for content, value in metadata.pop("unlikeness").items()},
        novelty=Novelty(**arrays, limit=limit),
        metadata=metadata,
        arguments={key: metadata[key] for key in _ARGUMENTS} | {"aim": aim},
        differences=differences(metadata, learned, model=model, harms=harms),
    )


def differences(
    metadata: Mapping[str, Any],
    trained: Collection[str],
    *,
    model: str | Path | Encoder | None = None,
    harms: Collection[str] | None = None,
) -> list[str]:
    """What is otherwise than when the artifact was made, one phrase each: versions, model, harms."""
    now = versions()
    found = [
        f"trained with {package} {then}, running {now.get(package, 'none')}"
        for package, then in metadata.get("versions", {}).items()
        if package != "python" and now.get(package) != then
    ]
    if isinstance(model, str | Path) and str(model) != metadata["model"]:
        found.append(f"trained with model {metadata['model']}, asked for {model}")
    if harms is not None and set(harms) != set(trained):
        found.append(f"trained for {', '.join(sorted(trained))}, asked for {', '.join(sorted(harms))}")
    return found


def same_model(encoder: Encoder, metadata: Mapping[str, Any]) -> None:
    """Refuse an encoder with other weights than those of the vectors that the heads were trained on."""
    trained = metadata.get("encoder")
    if trained is not None and trained.partition("/torch")[0].partition("/onnx")[0] not in encoder.key:
        raise InputError(f"trained on vectors of {trained}, but this model is {encoder.key}")
