"""Make the pictures of docs/studio.md, of made-up clips.

    python benchmarks/studio/pictures.py --out docs

It needs playwright, chromium and pillow. Each picture is smaller than 150 kB.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from page import Studio
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from stars_infer.synthetic.actions import SOLO_ACTIONS, perform

MOST = 150_000
TAUGHT = 4
"""Examples of each action."""


def main() -> None:
    """Teach, ask and tend, and take pictures of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as running:
        folder = Path(name)
        write_clips(folder)
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with Studio(folder / "stars.db") as address:
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(address)
            page.wait_for_selector(".drop")
            take_all(page, folder, given.out)
        browser.close()


def write_clips(folder: Path) -> None:
    """Write clips of each action, and a recording of several."""
    random = np.random.default_rng(5)
    for action in SOLO_ACTIONS:
        for number in range(TAUGHT + 3):
            np.save(folder / f"{action}-{number}.npy", perform(action, random))
    parts = [perform(action, random)[:1] for action in ("wave", "squat", "kick", "walk", "clap")]
    np.save(folder / "morning.npy", np.concatenate(parts, axis=1))


def take_all(page: Page, folder: Path, out: Path) -> None:
    """Go through the pages."""
    for action in SOLO_ACTIONS:
        if action == "jump":  # is what nobody taught
            continue
        teach(page, folder, action, range(TAUGHT), action)
    drop(page, folder, [f"clap-{TAUGHT}", f"clap-{TAUGHT + 1}"])
    page.wait_for_selector(".card")
    picture(page, out / "studio-teach.webp")
    page.click("text=Leave out all")
    page.keyboard.press("2")
    drop(page, folder, [f"wave-{TAUGHT}", f"jump-{TAUGHT}", f"kick-{TAUGHT}"])
    page.wait_for_selector(".player.two")
    time.sleep(3)
    picture(page, out / "studio-ask.webp")
    drop(page, folder, ["morning"])
    page.wait_for_selector(".timeline")
    time.sleep(3)
    picture(page, out / "studio-recording.webp", dark=True)
    picture(page, out / "studio-phone.webp", width=390, height=844)
    page.keyboard.press("1")
    teach(page, folder, "kick", range(TAUGHT, TAUGHT + 2), "squat")
    page.keyboard.press("3")
    page.wait_for_selector("canvas.map")
    page.wait_for_selector(".map-stage [role=status]:has-text('Near means similar')")
    page.focus("canvas.map")
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    time.sleep(2)
    picture(page, out / "studio-map.webp", dark=True)
    page.click("[data-view=confusion]")
    page.wait_for_selector(".player.two")
    time.sleep(2)
    picture(page, out / "studio-confusion.webp")


def teach(page: Page, folder: Path, action: str, numbers: range, label: str) -> None:
    """Teach clips of an action."""
    page.wait_for_selector("section.actions", state="attached")
    drop(page, folder, [f"{action}-{number}" for number in numbers])
    page.wait_for_selector(".naming-bar input")
    page.fill(".naming-bar input", label)
    page.keyboard.press("Enter")
    page.wait_for_selector(".naming-bar", state="detached")
    page.keyboard.press("Escape")


def drop(page: Page, folder: Path, names: list[str]) -> None:
    """Give files to the page."""
    page.set_input_files("input[data-files]", [folder / f"{name}.npy" for name in names])


def picture(
    page: Page, path: Path, *, dark: bool = False, width: int = 1280, height: int = 860
) -> None:
    """Take a picture, small enough."""
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("document.getElementById('toasts').replaceChildren()")
    page.mouse.move(0, 0)
    time.sleep(1)
    taken = Image.open(io.BytesIO(page.screenshot()))
    taken.save(path, "WEBP", quality=82, method=6)
    assert path.stat().st_size < MOST, f"{path}: {path.stat().st_size} bytes"
    page.set_viewport_size({"width": 1280, "height": 860})


if __name__ == "__main__":
    main()
