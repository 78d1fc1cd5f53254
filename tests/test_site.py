"""The documentation site builds, its links lead somewhere, and it loads nothing from elsewhere."""

import re
from importlib.util import find_spec

import pytest

from tests.conftest import REPOSITORY

needs_docs = pytest.mark.skipif(
    not all(map(find_spec, ("zensical", "mkdocstrings", "nbconvert"))),
    reason="needs the extra 'docs'",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from website.build import build

    out = tmp_path_factory.mktemp("site")
    faults = build(out)
    assert not faults, "\n".join(faults)
    return out


@needs_docs
def test_the_site_builds_and_holds_every_page(site):
    for page in REPOSITORY.glob("docs/*.md"):
        assert (site / f"{page.stem}.html").exists(), page
    for notebook in REPOSITORY.glob("examples/notebooks/*.ipynb"):
        assert (site / f"tutorials/{notebook.stem}.html").exists(), notebook
    assert "(start.html)" in (site / "llms.txt").read_text(encoding="utf-8")


@needs_docs
def test_the_reference_is_that_of_the_code(site):
    import stars_infer

    commands = (site / "reference/commands/fewshot.html").read_text(encoding="utf-8")
    assert "stars fewshot add-class" in commands
    assert "--false-accept" in (site / "reference/commands/classify.html").read_text("utf-8")
    assert "stars train pretrain" in (site / "reference/commands/train.html").read_text("utf-8")
    for name in stars_infer.__all__:
        page = (site / f"reference/python/{name}.html").read_text(encoding="utf-8")
        assert re.search(rf'id="stars_infer\.[\w.]*{name}"', page), name
    assert "predict" in (site / "reference/python/Recognizer.html").read_text(encoding="utf-8")


@needs_docs
def test_search_works_without_a_host(site):
    assert "Recognizer" in (site / "search.js").read_text(encoding="utf-8")
    assert "unpkg.com" not in (site / "index.html").read_text(encoding="utf-8")


def test_what_is_wrong_with_a_site_is_found(tmp_path):
    from website.check import faults_of

    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="deep/page.html#here"></a><a href="#top"></a>'
        '<a href="gone.html"></a><a href="deep/page.html#nowhere"></a><a href="https://a.org"></a>'
        '<script src="https://cdn.example/x.js"></script><link rel="icon" href="//b.org/i.png">'
    )
    (tmp_path / "deep/page.html").write_text('<p id="here"></p><a href="../index.html"></a>')
    (tmp_path / "style.css").write_text("@import 'https://fonts.example/f.css'; a {b: url(x.png)}")
    assert faults_of(tmp_path) == [
        "index.html: gone.html is not there",
        "index.html: deep/page.html#nowhere has no such place",
        "index.html: loads https://cdn.example/x.js",
        "index.html: loads //b.org/i.png",
        "style.css: loads https://fonts.example/f.css",
    ]


def test_links_of_pages_are_those_of_the_site():
    from website.pages import for_site

    def moved(text, source="docs/a.md", place="a.md"):
        return for_site(text, source, place)

    assert moved("[add](../CONTRIBUTING.md#add)") == "[add](contributing.md#add)"
    assert moved("[card](../models/stars-mocap/README.md)") == "[card](models/stars-mocap.md)"
    assert moved("[code](../stars_infer/errors.py)") == "code"
    assert moved("[b](b.md#c) ![d](e.svg)") == "[b](b.md#c) ![d](e.svg)"
    assert moved("```\n[x](../y.py)\n```") == "```\n[x](../y.py)\n```"
    assert moved("[q](../../docs/faq.md)", "examples/notebooks/x.ipynb", "tutorials/x.md") == (
        "[q](../faq.md)"
    )


def test_llms_txt_leads_to_files_that_are_there():
    links = re.findall(r"\]\(([^)]+)\)", (REPOSITORY / "llms.txt").read_text(encoding="utf-8"))
    assert len(links) > 15
    for link in links:
        assert (REPOSITORY / link).exists(), link
