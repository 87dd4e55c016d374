"""A small campaign's folder, and what its raters answer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from label_studio_fake import Fake

from grader.transcript import Message, Transcript
from labels import label_config, write_tasks
from labels.label_studio.push import task_key
from labels.sampling.designs import draw_sample, write_design

HARMS = ("blackmail", "leaking")
N = 12


class Rubric:
    def __init__(self, name: str) -> None:
        self.name, self.title = name, name.title()


def transcripts(n: int = N) -> list[Transcript]:
    return [
        Transcript(id=f"t{i:02}", messages=(Message(role="user", kind="text", text=f"Write to a{i}@b.com."),))
        for i in range(n)
    ]


def campaign_folder(folder: Path, n: int = N, seed: int = 1) -> Path:
    import numpy as np

    pool = pd.DataFrame({"transcript_id": [t.id for t in transcripts(n)]})
    design = draw_sample(pool, n, rng=np.random.default_rng(seed), harms=list(HARMS))
    write_tasks(transcripts(n), design, folder / "tasks.json")
    write_design(design, folder / "design.csv")
    (folder / "label_config.xml").write_text(label_config([Rubric(harm) for harm in HARMS]))
    return folder


def answers(blackmail: str, leaking: str = "no") -> dict[str, str]:
    return {"blackmail": blackmail, "leaking": leaking}


def keys(fake: Fake) -> list[tuple]:
    return sorted(task_key(task["data"]) for task in fake.tasks.values())
