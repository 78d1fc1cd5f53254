"""The page in a browser: teach three actions, ask, correct, undo, restart, all is still there."""

import os
import shutil
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn

from stars_infer.index.index import ExemplarIndex
from stars_infer.serving.metrics import Metrics
from stars_infer.studio.app import create_studio
from stars_infer.studio.service import StudioService
from stars_infer.synthetic.actions import perform
from tests.stars_infer.studio.conftest import LIMITS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
ACTIONS = ("wave", "squat", "kick")


@contextmanager
def serving(encoder, path):
    """A studio at a free port; gives its address."""
    service = StudioService(encoder, ExemplarIndex.open(path, encoder.info), LIMITS, Metrics())
    app = create_studio(service)
    config = uvicorn.Config(
        app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/?token={app.token}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    home = {**os.environ, "HOME": str(tmp_path_factory.mktemp("home"))}
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], env=home)
        yield browser
        browser.close()


@contextmanager
def opened(browser, address):
    """The page, which must say nothing in the console."""
    said = []
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(120_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_selector(".drop")
    yield page
    page.close()
    assert not said


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Files by action and number."""
    folder, random = tmp_path_factory.mktemp("clips"), np.random.default_rng(3)
    for action in (*ACTIONS, "clap"):
        for number in range(4):
            np.save(folder / f"{action}{number}.npy", perform(action, random))
    return folder


def drop(page, clips, *names):
    page.set_input_files("input[data-files]", [clips / f"{name}.npy" for name in names])


def teach(page, clips, action):
    drop(page, clips, *(f"{action}{number}" for number in range(3)))
    page.wait_for_selector(".naming-bar input")
    page.fill(".naming-bar input", action)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"h3[title={action}]")


def until(page, expression, value):
    """Wait until something in the page has a value; its policy allows no text as a script."""
    end = time.monotonic() + 120
    while (found := page.evaluate(expression)) != value:
        assert time.monotonic() < end, f"{found!r}, not {value!r}"
        time.sleep(0.05)


VERDICT = "document.querySelector('.verdict .name')?.textContent"
ON_MAP = "document.querySelector('canvas.map')?.map.ids.length"
COUNTS = "document.querySelector('#where').textContent.split(': ')[1]"
CLOCKS = "document.querySelector('.player .time').textContent.split('s').length - 1"


UNNAMED = """
[...document.querySelectorAll("button, a, input:not([hidden]), select, canvas")]
  .filter((one) => one.offsetParent)
  .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
  .map((one) => one.outerHTML)
"""


def fits(page, *, width=390):
    """Whether nothing has to be moved sideways on a phone, and all controls have names."""
    assert not page.evaluate(UNNAMED)
    page.set_viewport_size({"width": width, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    return wide <= width


def test_teach_ask_correct_undo_restart(browser, shipped, clips, tmp_path):
    path = tmp_path / "stars.db"
    with serving(shipped, path) as address, opened(browser, address) as page:
        for action in ACTIONS:
            teach(page, clips, action)
        until(page, COUNTS, "9 examples of 3 actions")
        assert fits(page)
        page.keyboard.press("Escape")
        page.keyboard.press("2")
        page.wait_for_selector("text=Drop a clip, or a long recording")  # the address is new before
        drop(page, clips, "squat3")
        page.wait_for_selector(".verdict .chip")
        assert page.text_content(".verdict .name") == "squat"
        page.wait_for_selector(".player.two")
        until(page, CLOCKS, 2)  # both clips, in alignment
        assert fits(page)
        drop(page, clips, "clap3")
        page.wait_for_selector(".answer[aria-current] :text('clap3.npy')")
        page.wait_for_selector(".verdict .name:not(:text('squat'))")
        said = page.text_content(".verdict .name")
        page.keyboard.press("/")
        page.keyboard.type("applause")
        page.keyboard.press("Enter")
        until(page, VERDICT, "applause")
        until(page, COUNTS, "10 examples of 4 actions")
        page.keyboard.press("Escape")
        page.keyboard.press("u")
        until(page, VERDICT, said)
        until(page, COUNTS, "9 examples of 3 actions")
        page.keyboard.press("3")
        page.wait_for_selector(".advice li")
        until(page, ON_MAP, 9)
        page.focus("canvas.map")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".side .player canvas")
        assert fits(page)
        page.keyboard.press("Delete")
        until(page, ON_MAP, 8)
        page.keyboard.press("Control+z")
        until(page, ON_MAP, 9)
    with serving(shipped, path) as address, opened(browser, address) as page:
        page.wait_for_selector("h3[title=kick]")
        until(page, COUNTS, "9 examples of 3 actions")
        page.wait_for_selector(".strip canvas[aria-label='kick0.npy plays']")
        evil = "<img src=x onerror=alert(1)>"  # names of files and actions are text
        shutil.copy(clips / "clap0.npy", tmp_path / f"{evil}.npy")
        page.set_input_files("input[data-files]", tmp_path / f"{evil}.npy")
        page.wait_for_selector(".card")
        assert page.text_content(".card .card-name").startswith("<img")
        page.fill(".naming-bar input", evil)
        page.keyboard.press("Enter")
        until(page, "document.querySelectorAll('.action-list h3').length", 4)
        assert evil in page.eval_on_selector_all(
            ".action-list h3", "all => all.map(one => one.textContent)"
        )
        assert not page.query_selector("main img")
