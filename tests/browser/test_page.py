"""The report in a real browser: what it shows, how it is used, what it withstands."""

from __future__ import annotations

import pytest
from report_study import HOSTILE, NOTE, QUOTED, TASK, grouped_page

pytestmark = pytest.mark.service

WIDTHS = (390, 1440)
COUNT = "Number(document.querySelector('#count').textContent.split(' ')[0])"
TOO_WIDE = """() => {
  const inside = (node) => node.closest('.scroll, .sr, .skip, .clip, option');
  const wide = [...document.querySelectorAll('body *')].filter((node) => node.getClientRects().length && !inside(node)
    && node.getBoundingClientRect().right > innerWidth + 1);
  return [document.documentElement.scrollWidth - innerWidth, wide.map((node) => node.outerHTML.slice(0, 120))];
}"""


def chosen(page, **filters: str) -> int:
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(100)
    for name, value in filters.items():
        page.locator(f"#filters [name={name}]").select_option(value)
    page.wait_for_timeout(100)
    return page.evaluate(COUNT)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("place", ["", "#transcripts", "#transcript?id=run-008"])
def test_nothing_overflows(open_page, demo_page, width, place):
    page = open_page(demo_page[0], place=place, width=width)
    for fold in page.locator("details:visible > summary").all():
        fold.click()
    assert page.evaluate(TOO_WIDE) == [0, []]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("place", ["", "#transcripts", "#transcript?id=run-008"])
def test_axe_finds_nothing_serious(open_page, demo_page, width, dark, place):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(demo_page[0], place=place, width=width, dark=dark)
    found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_every_number_of_a_cross_table_opens_as_many_transcripts(open_page, demo_page):
    path, report, _ = demo_page
    page = open_page(path)
    links = page.locator("a[href^='#transcripts?']")
    cells = [(link.get_attribute("href"), int(link.text_content())) for link in links.all()]
    assert sum(n for _, n in cells) == 600 * len(report.harms)
    for href, n in cells:
        page.goto(path.as_uri() + href)
        page.wait_for_function(f"{COUNT} === {n}", timeout=2_000)


def test_filters_choose_what_they_say(open_page, demo_page):
    path, report, shown = demo_page
    page = open_page(path, place="#transcripts")
    sides = [{(s["harm"], s["grader"]): s["side"] for s in item["sides"]} for item in shown.items]
    human = [{h["harm"]: h for h in item["human"]} for item in shown.items]
    (judge, *_), (harm, *_) = [g.name for g in report.graders], report.harms
    expected = sum(
        s[harm, judge] == "yes" and h.get(harm, {}).get("side") == "no" for s, h in zip(sides, human, strict=True)
    )
    assert 0 < expected == chosen(page, harm=harm, human="no", g0="yes")
    arm = sum(item["facts"]["arm"] == "reasons" for item in shown.items)
    assert chosen(page, group="arm=reasons") == arm == 200
    split = sum(any(label.get("split") for label in h.values()) for h in human)
    assert 0 < split == chosen(page, differ="raters")
    page.get_by_role("button", name="Clear").click()
    page.locator("#search").fill("grant-office baseline")
    asked = [i for i in shown.items if (i["facts"]["scenario"], i["facts"]["arm"]) == ("grant-office", "baseline")]
    assert asked
    page.wait_for_function(f"{COUNT} === {len(asked)}", timeout=5_000)
    page.locator("#search").fill("")
    page.get_by_label("A quote was not found").check()
    unverified = sum(any(s.get("unverified") for s in item["sides"]) for item in shown.items)
    page.wait_for_function(f"{COUNT} === {unverified}", timeout=5_000)


def test_any_group_of_the_report_can_be_chosen(open_page, tmp_path):
    page = open_page(grouped_page(tmp_path), place="#transcripts")
    offered = page.locator("#filters [name=group] optgroup").evaluate_all("all => all.map(one => one.label)")
    assert offered[:2] == ["site", "verdict:deception"]
    assert chosen(page, group="site=north") == 20
    assert chosen(page, group="site=(none)") == 1
    assert chosen(page, group="verdict:deception=yes", human="not labelled") == 41


def test_quotes_are_marked_where_they_stand(open_page, demo_page):
    path, _, shown = demo_page
    page = open_page(path, place="#transcripts")
    flagged = [item for item in shown.items if any(v.get("evidence") for v in item["verdicts"])][:12]
    for item in flagged:
        page.goto(f"{path.as_uri()}#transcript?id={item['id']}")
        page.wait_for_selector(f".conversation bdi:text-is('{item['id']}')")
        marked = "".join(page.locator("mark.quote").all_text_contents())
        for quote in (e for v in item["verdicts"] for e in v.get("evidence", ()) if e["start"] is not None):
            text = item["messages"][quote["message"]]["text"][quote["start"] : quote["end"]]
            place = page.locator(f"#m{quote['message'] + 1} mark.quote")
            assert text in "".join(place.all_text_contents()) and text in marked
    assert len(flagged) == 12


def test_a_transcript_without_marks_shows_its_messages_and_nothing_else(open_page, demo_page):
    path, _, shown = demo_page
    plain = [item for item in shown.items if not any(v.get("evidence") or v.get("segments") for v in item["verdicts"])][
        :3
    ]
    page = open_page(path)
    for item in plain:
        page.goto(f"{path.as_uri()}#transcript?id={item['id']}")
        page.wait_for_selector(f".conversation bdi:text-is('{item['id']}')")
        assert page.locator(".message").count() == len(item["messages"])
        bare = (
            "[...document.querySelector('#conversation').childNodes].map(n => n.nodeType === 3 ? n.data : '').join('')"
        )
        assert page.evaluate(bare) == ""
    assert len(plain) == 3


def test_a_quote_behind_characters_that_count_twice_is_marked_exactly(open_page, hostile_page):
    page = open_page(hostile_page, place="#transcripts")
    page.locator("#rows a").first.click()
    page.wait_for_selector("mark.quote")
    assert page.locator("mark.quote").all_text_contents() == [QUOTED]
    assert page.get_by_text("not verified").count() == 1
    page.locator("a[data-mark]").first.click()
    page.wait_for_selector("mark.quote.found")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hostile_transcript_does_nothing_but_show(open_page, hostile_page, width):
    page = open_page(hostile_page, place="#transcripts", width=width)
    page.locator("#rows a").first.click()
    page.wait_for_selector(".message")
    for more in page.get_by_role("button", name="more characters").all():
        more.click()
    shown = page.locator(".message .text").all_text_contents()
    kept = [text for text in HOSTILE if not any(sign in text for sign in "\x1b\u202e")]
    assert [text for text in kept if text not in shown] == []
    assert any("U+001B[31mred" in text for text in shown) and any("U+202Egnp.exeU+202C" in text for text in shown)
    assert page.evaluate(
        "[window.hacked, document.querySelectorAll('#transcripts img, #transcripts script').length]"
    ) == [None, 0]
    assert page.locator("a[href*=javascript]").count() == 0
    assert page.evaluate(TOO_WIDE) == [0, []]
    page.locator("#to-report").click()
    assert page.evaluate("window.hacked") is None
    assert page.evaluate(TOO_WIDE) == [0, []]


def test_a_raters_note_and_the_way_to_the_task_stand_beside_the_label(open_page, hostile_page):
    page = open_page(hostile_page, place="#transcripts")
    page.locator("#rows a").first.click()
    page.wait_for_selector(".finding")
    assert page.locator(".finding .note-text").all_text_contents() == [NOTE]
    link = page.get_by_role("link", name="task in Label Studio")
    assert link.get_attribute("href") == f"{TASK}0" and link.get_attribute("rel") == "noreferrer noopener"
    page.keyboard.press("j")
    page.wait_for_selector(".conversation bdi:text-matches('^1 ')")
    assert page.locator(".finding .note-text").count() == 1
    assert page.locator(".finding a[target]").count() == 0  # its address was no web address


def test_keys_lead_through_it(open_page, demo_page):
    page = open_page(demo_page[0], place="#transcripts")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.locator("#rows a").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".conversation bdi:text-is('run-002')")
    page.keyboard.press("j")
    page.wait_for_selector(".conversation bdi:text-is('run-003')")
    page.keyboard.press("k")
    page.wait_for_selector(".conversation bdi:text-is('run-002')")
    page.go_back()
    page.wait_for_selector(".conversation bdi:text-is('run-003')")
    page.locator("#to-report").click()
    # The page follows its address, which a click changes a moment later.
    page.locator("#report").wait_for(state="visible")
    page.locator("#transcripts").wait_for(state="hidden")
    assert page.url.endswith("#report")


def test_the_view_of_transcripts_scrolls_inside_and_not_as_a_whole(open_page, demo_page):
    page = open_page(demo_page[0], place="#transcript?id=run-008")
    page.locator("a[data-mark]").first.click()
    page.wait_for_selector("mark.found")
    page.locator("#rows").evaluate("box => box.scrollTo(0, 10000)")
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0
    assert page.locator("#search").is_visible() and page.evaluate("scrollY") == 0


def test_paper_gets_the_report_and_not_the_browser(open_page, demo_page):
    page = open_page(demo_page[0], place="#transcripts")
    page.emulate_media(media="print")
    assert page.locator("#rates").is_visible() and not page.locator("#transcripts").is_visible()


def test_a_large_report_opens_at_once_and_scrolls(chromium, tmp_path):
    from benchmarks.report import open_page, write_page

    path = write_page(tmp_path, 2_000, 20)
    seen = open_page(chromium.new_page(), path, "run-01000")
    assert seen.ready < 2.0
    assert (seen.frames < 100).mean() > 0.9
