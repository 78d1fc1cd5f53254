"""The pages in a browser: nothing fails, skeletons are drawn, two clips play in time alignment."""

import os
import shutil
import time

import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.inspection.inspect import inspect_clip
from stars_infer.inspection.player import player_page
from stars_infer.inspection.view_page import view_page
from stars_infer.reporting.charts import Line, line_chart
from stars_infer.reporting.page import Report, Section, report_page
from stars_infer.segmentation.segment import Segment, Timeline
from stars_infer.segmentation.timeline_page import PlayedParts, timeline_html
from stars_infer.similarity.alignment import align
from stars_infer.synthetic.actions import perform

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    home = {**os.environ, "HOME": str(tmp_path_factory.mktemp("home"))}
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], env=home)
        yield opened
        opened.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a page on a phone, and make sure that nothing failed once the test is over."""
    errors, pages = [], []

    def opening(text, **options):
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        page = browser.new_page(viewport=PHONE, reduced_motion="reduce", **options)
        page.set_default_timeout(120_000)
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: pages.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opening
    assert errors == []
    assert len(pages) == 1  # nothing but the page itself was asked for


@pytest.fixture(scope="module")
def clips():
    bodies = perform("walk", np.random.default_rng(3), seconds=3)
    changed = bodies.copy()
    changed[:, 45:63, 9:12, 1] += 0.45
    return Clip.from_array(changed, source="one.npy"), Clip.from_array(bodies, source="two.npy")


def until(page, holds):
    """Wait; what Playwright itself has for it evaluates text, which the pages forbid."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "it has not come to hold"
        page.wait_for_timeout(20)


def drawn(page):
    """The first picture, which is short while nothing is in it."""
    return page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")


def wait_for_skeletons(page):
    until(page, lambda: len(drawn(page)) > 5000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_clips_play_in_time_alignment(show, clips, scheme):
    found = align(*clips)
    page = show(view_page(clips, found), color_scheme=scheme)
    wait_for_skeletons(page)
    said = page.locator(".time")
    page.locator(".differs").first.click()
    until(page, lambda: not said.text_content().startswith("0.00"))
    middle = (found.differences[0].start + found.differences[0].end) / 2
    times = [float(part.split()[0]) for part in said.text_content().split("|")]
    assert times == pytest.approx([middle, middle], abs=0.1)
    before = drawn(page)
    page.keyboard.press("ArrowRight")
    page.mouse.move(100, 200)
    page.mouse.down()
    page.mouse.move(180, 220)
    page.mouse.up()
    until(page, lambda: drawn(page) != before)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.close()


def test_a_clip_is_chosen_played_and_stopped(show, clips):
    page = show(player_page([(clip, inspect_clip(clip)) for clip in clips]))
    wait_for_skeletons(page)
    page.get_by_label("Clip").select_option("1")
    assert page.locator("#name").text_content() == "two.npy"
    page.locator(".play").click()
    said = page.locator(".time")
    until(page, lambda: not said.text_content().startswith("frame 0 "))
    page.locator(".play").click()
    assert page.locator(".play").text_content() == "Play"
    page.close()


def test_a_segment_is_played_from_the_keyboard(show, clips):
    parts = [Segment(start=n, end=n + 0.8, label="walk", confidence=0.8, similarity=0.9)
             for n in (0, 1, 2)]  # fmt: skip
    timeline = Timeline(name="long.npy", seconds=3.0, segments=parts)
    played = PlayedParts(read=lambda part: None, how=None)
    played.add(clips[0], timeline)
    page = show(timeline_html([timeline], played))
    page.locator(".part").first.click()
    wait_for_skeletons(page)
    page.locator(".part").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#title").text_content() == "walk, 1.0 to 1.8, 80 % sure"
    assert page.locator("[aria-pressed=true]").get_attribute("data-place") == "1"
    page.get_by_role("button", name="Wider").click()
    assert page.locator(".part").count() >= 2
    page.close()


@pytest.mark.parametrize("seconds", [10.0, 30.05, 61.0, 3601.0])
def test_no_time_and_no_name_on_a_track_is_cut_off(show, clips, seconds):
    parts = [
        Segment(start=start, end=start + long, label=label, confidence=0.8, similarity=0.9)
        for label in ("raise both hands", "wwwww", "illi")
        for start, long in ((0.5, 0.3), (1.5, 1.2), (3.5, 1.9), (5.5, 1.4), (7.0, 2.9))
    ]  # fmt: skip
    timeline = Timeline(name="x", seconds=seconds, segments=parts, near_misses=[])
    played = PlayedParts(read=lambda segment: None, how=None)
    page = show(timeline_html([timeline], played))
    full = "(all) => all.map((one) => one.scrollWidth <= one.clientWidth)"
    assert all(page.eval_on_selector_all(".part", full))
    texts = page.eval_on_selector_all(".part", "(all) => all.map((one) => one.textContent)")
    assert "B" in texts
    assert any(text.startswith("illi") for text in texts)
    page.eval_on_selector(".scroller", "(one) => { one.scrollLeft = 1e9; }")
    page.wait_for_timeout(300)
    cut = """(all) => all.filter((one) => one.getBoundingClientRect().right
        > one.parentNode.getBoundingClientRect().right).map((one) => one.textContent)"""
    assert page.eval_on_selector_all(".tick", cut) == []


def test_a_report_prints(show, clips):
    from stars_infer.inspection.clip_data import clip_data

    chart = line_chart([Line(name="a", points=[(0, 1), (1, 0)])], title="t", said="s", x="x", y="y")
    sections = [Section(title="a chart", body=chart),
                Section(title="a player", body='<div data-pair="0"></div>')]  # fmt: skip
    pair = {"clips": [clip_data(clip) for clip in clips], "alignment": align(*clips).to_json()}
    report = Report(title="Report", facts=[("a", "1")], sections=sections, pairs=[pair])
    page = show(report_page(report))
    wait_for_skeletons(page)
    page.emulate_media(media="print")
    assert not page.locator(".player .bar").first.is_visible()
    assert page.locator(".chart").is_visible()
    assert page.pdf()[:5] == b"%PDF-"
    page.close()
