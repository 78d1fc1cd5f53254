"""Only the browser that opened the printed address may drive the studio."""

import re

import pytest
from starlette.testclient import TestClient

from tests.stars_infer.studio.conftest import ADDRESS

SAFE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def stranger(studio):
    """A client that was told nothing."""
    return TestClient(studio.app, base_url=ADDRESS)


def test_the_page_is_given_with_a_policy_that_runs_no_script_of_its_own_text(studio):
    page = studio.client.get(f"{studio.app.path}/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)


def test_all_that_the_page_names_is_there(studio):
    page = studio.client.get(f"{studio.app.path}/").text
    names = set(re.findall(r'(?:src|href)="([\w.]+)"', page))
    seen = set()
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        answer = studio.client.get(f"{studio.app.path}/{name}")
        assert answer.status_code == 200, name
        if name.endswith(".js"):
            names |= set(re.findall(r'from "\./([\w.]+)"', answer.text))
    assert {"app.js", "map.js", "skeleton.js", "studio.css"} <= seen


@pytest.mark.parametrize(
    "path", ["/", "/studio/", "/studio/api/state", "/v1/exemplars", "/healthz"]
)
def test_strangers_are_told_nothing(studio, stranger, path):
    assert stranger.get(path).status_code == 403
    assert stranger.get(studio.app.path + path).status_code == 403
    assert stranger.get("/?token=wrong").status_code == 403


def test_a_cookie_is_good_only_below_its_path_and_for_pages_of_ours(studio, stranger):
    answer = stranger.get(f"/?token={studio.app.token}", follow_redirects=False)
    said = answer.headers["set-cookie"]
    assert f"Path={studio.app.path}/;" in said
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    state = f"{studio.app.path}/api/state"
    assert stranger.get(state, headers=SAFE).status_code == 200
    for site in ("cross-site", "same-site"):
        assert stranger.get(state, headers={"sec-fetch-site": site}).status_code == 403
    foreign = {"origin": "http://127.0.0.1:9000"}
    undo = f"{studio.app.path}/api/undo"
    assert stranger.post(undo, json={}, headers=foreign).status_code == 403
    assert stranger.get(state, headers={"host": "evil.example"}).status_code == 421


def test_the_ticket_of_the_browser_is_good_once(studio):
    first, second = (TestClient(studio.app, base_url=ADDRESS) for _ in range(2))
    assert first.get(f"/?token={studio.app.ticket}").status_code == 200
    assert second.get(f"/?token={studio.app.ticket}").status_code == 403


def test_programs_show_the_token(studio, stranger):
    shown = {"authorization": f"Bearer {studio.app.token}"}
    assert stranger.get("/v1/exemplars", headers=shown).json()["counts"]
