"""What the page holds: sections, hostile texts as texts, and nothing of a transcript when it is to be shared."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from report_study import HARM, HOSTILE, NOTE, QUOTED, TASK, hostile_study

from calibration.report import html, markdown
from calibration.report.sections import SECTIONS


class Elements(HTMLParser):
    """Counts elements, and keeps what stands in scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.inside: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in self.raw:
            self.inside = tag
            self.raw[tag].append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.raw[self.inside][-1] += data


@pytest.fixture(scope="module")
def study():
    return hostile_study()


@pytest.fixture(scope="module")
def page(study):
    return html(*study)


def packs(page: str) -> str:
    """All that the browser's packs hold, as text."""
    found = re.findall(r'<script type="application/octet-stream" id="[^"]*">([^<]*)</script>', page)
    return "".join(gzip.decompress(base64.b64decode(text)).decode() for text in found)


def test_hostile_texts_make_no_element_of_the_page(study, page):
    elements = Elements(page)
    n_packs = 2
    assert [t for t, _ in elements.tags].count("script") == n_packs + 1
    assert not {"img", "iframe", "object", "base"} & {t for t, _ in elements.tags}
    assert not [a for _, attributes in elements.tags for a in attributes if a.startswith("on") or a == "style"]
    links = [a["href"] for t, a in elements.tags if t == "a"]
    assert links and all(link.startswith("#") for link in links)


def test_only_the_one_script_and_style_may_run(page):
    elements = Elements(page)
    policy = next(a["content"] for t, a in elements.tags if t == "meta" and a.get("http-equiv"))
    for directive, text in (("script-src", elements.raw["script"][-1]), ("style-src", elements.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_the_packs_hold_every_message_as_it_is(page):
    held = packs(page)
    for text in (*HOSTILE, NOTE):
        assert json.dumps(text) in held


def test_a_redacted_page_holds_no_text_of_a_transcript(study):
    held = packs(html(*study, redact=True))
    assert '"length":30000' in held and '"side":"yes"' in held
    told = [*HOSTILE[3:], QUOTED, HOSTILE[1], NOTE, TASK]
    assert [text for text in told if json.dumps(text)[1:-1] in held] == []
    assert not {"text", "quote", "explanation", "evidence", "note", "task_url"} & set(re.findall(r'"(\w+)":', held))


def test_a_page_without_exhibits_has_no_script(study):
    page = html(study[0])
    assert "script-src 'none'" in page and "<script" not in page and 'href="#transcripts' not in page


def test_every_section_that_has_something_to_say_is_named_in_the_contents(page):
    titles = re.findall(r'<h2 id="(\w+)">([^<]*)</h2>', page)
    order = [s for s in SECTIONS if (s.name, s.title.replace("'", "&#39;")) in titles]
    assert [s.name for s in order] == [name for name, _ in titles]
    assert {"rates", "agreement", "crosses", "outcomes", "coverage", "provenance"} <= {name for name, _ in titles}
    assert re.findall(r'<li><a href="#(\w+)">', page) == [name for name, _ in titles]


def test_markdown_holds_no_table_cell_that_a_text_ended(study):
    told = markdown(study[0])
    assert not re.search(r"(?<!\\)[<|](?!$|[ -])", told.split("```json")[0], re.MULTILINE)
    assert f"{HARM}" in told and "Where graders and humans differ" in told


def test_no_line_ends_inside_an_interval():
    from calibration.report.render import _unbroken

    assert _unbroken("3 % (0.46-9.4 %), run 2026-11-28, a-5-5") == "3\xa0% (0.46\u20119.4\xa0%), run 2026-11-28, a-5-5"
