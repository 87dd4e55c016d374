"""A real browser, and the pages that it opens."""

from __future__ import annotations

import pytest
from report_study import hostile_study

from benchmarks import browser
from calibration.report import render_report


@pytest.fixture(scope="session")
def chromium():
    if why := browser.missing():
        pytest.skip(why)
    with browser.opened() as running:
        yield running


@pytest.fixture(scope="session")
def demo_page(tmp_path_factory):
    """The demonstration's report, from which numbers in the page can be checked."""
    from calibration.study.browser_items import exhibits_of
    from calibration.study.demo import run_demo

    folder = tmp_path_factory.mktemp("demo")
    report = run_demo(folder, n_redraws=0).report
    shown = exhibits_of(folder)
    render_report(report, folder, exhibits=shown)
    return folder / "report.html", report, shown


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    report, shown = hostile_study()
    render_report(report, folder, exhibits=shown)
    return folder / "report.html"


@pytest.fixture
def open_page(chromium):
    """Open a page at a width; at the end of the test nothing may have gone wrong in it."""
    contexts, wrong = [], []

    def opened(path, *, place: str = "", width: int = 1440, dark: bool = False):
        height = 844 if width < 600 else 900
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(path.as_uri() + place)
        page.wait_for_selector("html[data-ready]", timeout=30_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
