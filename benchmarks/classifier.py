"""The classifier's fixed score, its views and plain baselines on real labels, in the same folds.

python -m benchmarks.classifier [--data FOLDER] [--store FILE] [--seed 0]

`shipped` is the mean of the five views. `probe` is MiniLM on 900-character chunks of the flat text, their mean, maximum
and last, with logistic regression; `tf-idf` words and word pairs of the flat text with logistic regression. AUROC is
the mean over the folds, with intervals that resample scenarios. Under each table: what the gate decides, and why.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader import read_transcripts
from grader.classifier.bags import Bagger, Bags
from grader.classifier.encoders import Encoder
from grader.classifier.folds import Folds, assign_folds
from grader.classifier.gate import decide
from grader.classifier.loading import load_encoder
from grader.classifier.metrics import METRICS, Interval, auroc, interval, over_folds, resamples
from grader.classifier.probability import fit_sigmoid, sigmoid
from grader.classifier.shortcut import find_shortcut
from grader.classifier.training import held_out
from grader.classifier.views import VIEWS
from grader.store.store import Store
from grader.transcript import Message, Transcript

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

DATA = Path(os.environ.get("HARMRATE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
N_FOLDS = 5
_CHUNK = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Labelled transcripts.

    Parameters
    ----------
    name : str
    transcripts : list of Transcript
    y : array of shape (n_transcripts,), 0 or 1
    groups : list of str
        The scenario of each.
    note : str
        What was left out.
    """

    name: str
    transcripts: list[Transcript]
    y: Float
    groups: list[str]
    note: str = ""


def rjudge(data: Path) -> DataSet:
    """R-Judge; where it names no scenario, records with the same request of the user are one."""
    transcripts = list(read_transcripts(data / "rjudge" / "rjudge.json"))
    groups = [
        str(t.metadata.get("scenario") or next(m.text for m in t.messages if m.role == "user")) for t in transcripts
    ]
    y = np.array([float(t.metadata["label"]) for t in transcripts])
    return DataSet(name="R-Judge", transcripts=transcripts, y=y, groups=groups)


def lie_detector(data: Path) -> DataSet:
    """The lie detector's items; a task is a scenario."""
    transcripts = list(read_transcripts(data / "deception_lie_detector" / "items.jsonl"))
    y = np.array([float(t.metadata["did_lie"]) for t in transcripts])
    return DataSet(
        name="lie detector", transcripts=transcripts, y=y, groups=[str(t.metadata["task"]) for t in transcripts]
    )


def agentleak(data: Path) -> DataSet:
    """Messages of AgentLeak, each with the prompts of the call that made it; traces with failed calls left out."""
    transcripts, y, groups, failed = [], [], [], 0
    with (data / "agentleak" / "traces_120.jsonl").open(encoding="utf-8") as lines:
        traces = [json.loads(line) for line in lines]
    for trace in traces:
        calls = {call["call_id"]: call for call in trace["llm_calls"]}
        if any(call.get("error") for call in calls.values()):
            failed += 1
            continue
        for i, message in enumerate(trace["channel_messages"]):
            call = calls.get(message.get("llm_call_id"), {})
            prompts = [("system", call.get("system_prompt")), ("user", call.get("user_prompt"))]
            said = [Message(role=role, kind="text", text=text) for role, text in prompts if text]  # type: ignore[arg-type]
            name = f"{message['source']} to {message['target']}"
            said.append(Message(role="assistant", kind="text", text=message["content"], name=name))
            transcripts.append(Transcript(id=f"{trace['trace_id']}/{i}", messages=tuple(said)))
            y.append(float(message["has_leak"]))
            groups.append(str(trace["scenario_id"]))
    note = f"{failed} of {len(traces)} traces with failed calls left out"
    return DataSet(name="AgentLeak messages", transcripts=transcripts, y=np.array(y), groups=groups, note=note)


SETS: Mapping[str, Callable[[Path], DataSet]] = {
    "rjudge": rjudge,
    "lie-detector": lie_detector,
    "agentleak": agentleak,
}


def probe_table(transcripts: Sequence[Transcript], encoder: Encoder) -> Float:
    """Mean, maximum and last of the vectors of 900-character chunks, side by side."""
    cut = [[text[i : i + _CHUNK] for i in range(0, len(text), _CHUNK)] for text in map(flat_text, transcripts)]
    distinct = sorted({chunk for row in cut for chunk in row})
    place = {chunk: i for i, chunk in enumerate(distinct)}
    vectors = encoder.encode(distinct)
    rows = [vectors[[place[chunk] for chunk in row]] for row in cut]
    return np.stack([np.concatenate([v.mean(axis=0), v.max(axis=0), v[-1]]) for v in rows]).astype(float)


def flat_text(transcript: Transcript) -> str:
    """All messages, each after who speaks."""
    return "\n".join(f"{m.role}: {m.name + ' ' if m.name else ''}{m.text}" for m in transcript.messages)


def scores(data: DataSet, bags: Bags, probe: Float, folds: Folds) -> Iterator[tuple[str, Float]]:
    """Out-of-fold scores by name."""
    views = held_out(bags, data.y, folds.fold, folds.n_folds)[1]
    yield "shipped", views.mean(axis=0)
    yield "probe", plain_scores(probe, data.y, folds.fold)
    yield "tf-idf", _tf_idf([flat_text(t) for t in data.transcripts], data.y, folds.fold)
    yield "majority", np.zeros(len(data.y))
    yield from zip(VIEWS, views, strict=True)


def plain_scores(table: Float, y: Float, fold: Ints) -> Float:
    """Out-of-fold scores of scikit-learn's logistic regression on `table`."""
    from sklearn.linear_model import LogisticRegression

    out = np.empty(len(y))
    for k in np.unique(fold):
        model = LogisticRegression(max_iter=3_000).fit(table[fold != k], y[fold != k])
        out[fold == k] = model.decision_function(table[fold == k])
    return out


def _tf_idf(texts: Sequence[str], y: Float, fold: Ints) -> Float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    out, words = np.empty(len(y)), np.array(texts, dtype=object)
    for k in np.unique(fold):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        model = make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=3_000))
        out[fold == k] = model.fit(words[fold != k], y[fold != k]).decision_function(words[fold == k])
    return out


def table(data: DataSet, bags: Bags, probe: Float, *, grouped: bool, seed: int) -> str:
    """All heads and baselines in the same folds, in Markdown."""
    rng = np.random.default_rng(seed)
    labels = {"harm": data.y}
    folds = assign_folds(data.transcripts, labels, data.groups if grouped else None, n_folds=N_FOLDS, rng=rng)
    scenarios = assign_folds(data.transcripts, labels, data.groups, n_folds=N_FOLDS, rng=rng).group
    weight = resamples(scenarios, rng)
    by_name = dict(scores(data, bags, probe, folds))
    area = {name: over_folds(auroc, score, data.y, folds.fold, weight) for name, score in by_name.items()}
    how = f"folds by {'scenario' if grouped else 'transcript'}"
    lines = [
        f"### {data.name}, {how}: {len(data.y)} transcripts, {int(data.y.sum())} harmful, "
        f"{len(np.unique(scenarios))} scenarios, {folds.n_folds} folds",
        *([data.note + "."] if data.note else []),
        "",
        "| | AUROC | shipped - this | average precision | sensitivity at 5 % false positives |",
        "|---|---|---|---|---|",
    ]
    for name, score in by_name.items():
        row = [interval(over_folds(metric, score, data.y, folds.fold, weight)) for metric in METRICS.values()]
        ahead = words(interval(area["shipped"] - area[name])) if name != "shipped" else ""
        lines.append(f"| {name} | {words(row[0])} | {ahead} | {words(row[1])} | {words(row[2])} |")
    lines += ["", gate_sentence(data, bags, by_name["shipped"], interval(area["shipped"]), scenarios, rng), ""]
    return "\n".join(lines)


def gate_sentence(
    data: DataSet, bags: Bags, log_odds: Float, area: Interval, scenarios: Ints, rng: np.random.Generator
) -> str:
    """What the gate decides on these out-of-fold scores, and why."""
    slope, intercept = fit_sigmoid(log_odds, data.y)
    score = sigmoid(log_odds, slope, intercept)
    gate = decide(
        score,
        data.y,
        scenarios,
        new_scenario=area,
        known_scenario=area,
        slope=slope,
        shortcut=find_shortcut(bags, data.y, score, rng),
    )
    phrase = gate.shortcut
    return (
        f"Gate: {gate.use}; {gate.reason}. Best phrase {phrase.phrase!r} {phrase.auroc:.3f}. {' '.join(gate.warnings)}"
    )


def words(value: Interval) -> str:
    """Value and limits."""
    point, low, high = value
    return f"{point:.3f}" if np.isnan(low) else f"{point:.3f} ({low:.3f} to {high:.3f})"


def report(data: Path, names: Sequence[str], *, store: Path | None = None, seed: int = 0) -> str:
    """The tables of the named sets, ungrouped and grouped."""
    encoder = load_encoder("all-MiniLM-L6-v2", device="cpu")
    bagger = Bagger(encoder, Store(store) if store else None)
    parts = []
    for name in names:
        real = SETS[name](data)
        bags, probe = bagger.bags(real.transcripts), probe_table(real.transcripts, encoder)
        parts += [table(real, bags, probe, grouped=grouped, seed=seed) for grouped in (False, True)]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="default: HARMRATE_DATA")
    parser.add_argument("--sets", default=",".join(SETS), help="default: all of " + ", ".join(SETS))
    parser.add_argument("--store", type=Path, metavar="FILE", help="keeps embeddings from run to run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(report(options.data, options.sets.split(","), store=options.store, seed=options.seed))


if __name__ == "__main__":
    main()
