import json
import shutil


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_unknown_clips_are_counted(stars, recordings, tmp_path):
    how = ("fewshot", "eval", recordings, "--shots", 2, "--draws", 3)
    code, out, err = stars(*how, "--unknown-classes", "h*", "--json")
    assert code == 0, err
    (result,) = records(out)
    assert set(result) == {
        "model", "shots", "auroc", "fpr_at_95", "unknown_named", "known_named",
        "right_of_named", "calibration_error", "reliability", "curve",
    }  # fmt: skip
    assert result["auroc"] > 50
    picture = tmp_path / "reliability.svg"
    code, out, err = stars(*how, "--unknown", 40, "--plot", picture)
    assert code == 0, err
    assert "AUROC" in out
    assert picture.read_text().lstrip().startswith("<?xml")
    for wrong in (
        ("--unknown-classes", "zebra"),
        ("--unknown-classes", "*"),
        ("--unknown", 40, "--unknown-classes", "h*"),
        ("--unknown", 40, "--plot", tmp_path / "reliability.doc"),
        ("--unknown", 40, "--classifier", "vote"),
    ):
        assert stars(*how, *wrong)[0] == 2


def test_fewshot_eval(stars, recordings):
    arguments = ["fewshot", "eval", recordings, "--shots", 1, "--shots", 2, "--draws", 4]
    code, out, err = stars(*arguments, "--json")
    assert code == 0, err
    (result,) = records(out)
    assert set(result) == {"model", "classes", "queries", "shots", "draws", "labels", "confusion"}
    asked = sum(map(sum, result["confusion"]["2"]))
    assert asked == 4 * (result["queries"] - 2 * result["classes"])
    two = result["shots"]["2"]
    assert two["low"] <= two["mean"] <= two["high"]
    assert (result["model"], result["classes"], result["queries"]) == ("tiny", 7, 28)
    assert set(result["shots"]) == {"1", "2"}
    assert 20 < result["shots"]["2"]["mean"] <= 100
    assert result["shots"]["2"]["std"] >= 0
    assert "accuracy" in stars(*arguments)[1]


def test_folders_of_three_clips_are_enough(stars, recordings, tmp_path):
    for action in ("wave", "squat", "clap"):
        (tmp_path / "few" / action).mkdir(parents=True)
        for clip in sorted((recordings / action).iterdir())[:3]:
            shutil.copy(clip, tmp_path / "few" / action)
    code, out, err = stars("fewshot", "eval", tmp_path / "few", "--draws", 2, "--json")
    assert code == 0, err
    assert set(records(out)[0]["shots"]) == {"1", "2"}
    code, _, err = stars("fewshot", "eval", tmp_path / "few", "--draws", 2)
    assert "not measured with 5 examples per class" in err
    code, _, err = stars("fewshot", "eval", tmp_path / "few", "--shots", 5)
    assert code == 2
    assert "too few for 5 shots" in " ".join(err.split())


def test_fewshot_eval_over_performers(stars, recordings, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(recordings, root)
    (root / "wave" / "S001C001P009R001A001.skeleton").write_text("0")
    arguments = ["fewshot", "eval", root, "--shots", 1, "--draws", 3, "--json"]
    sides = ["--exemplars", "*/*P00[123]*", "--queries", "*/*P00[49]*"]
    code, out, err = stars(*arguments, *sides)
    assert code == 1
    assert "P009R001A001.skeleton" in records(err)[0]["source"]
    assert records(out)[0]["queries"] == 7
    for wrong in (["--exemplars", "*/*P004*", "--shots", "2"], ["--queries", "none*"]):
        assert stars(*arguments, *wrong)[0] == 2
    assert stars("fewshot", "eval", root / "nowhere")[0] == 2


def test_fewshot_eval_as_in_the_papers(stars, recordings, trained, tmp_path):
    how = ["fewshot", "eval", recordings, "--shots", 1, "--shots", 2, "--draws", 4, "--json"]
    code, out, err = stars(*how, "--protocol", "paper")
    assert code == 0, err
    model = tmp_path / "vectors"
    run = trained / "stars"
    assert stars("export", "--onnx", run, "--compare", "vectors", "--out", model)[0] == 0
    majority = stars(*how, "--model", model, "--classifier", "majority")[1]
    assert records(out)[0]["shots"] == records(majority)[0]["shots"]
    assert records(out)[0]["shots"] != records(stars(*how)[1])[0]["shots"]
    for wrong in (["--unknown", 40], ["--mirror", "off"], ["--classifier", "vote"]):
        assert stars(*how, "--protocol", "paper", *wrong)[0] == 2
