import json


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_doctor(stars):
    code, out, _ = stars("doctor", "--json")
    assert code == 0
    found = {line["what"]: line for line in records(out)}
    assert found["cpu"]["state"] == "ok"
    assert "ms a body" in found["cpu"]["detail"]
    assert found["stars train"]["state"] == "ok"


def test_parts_that_need_an_extra_are_told(stars, monkeypatch):
    from importlib import import_module

    command = import_module("stars_infer.cli.doctor")  # whose name is its function's, too
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "sklearn" else name)
    _, out, _ = stars("doctor", "--json")
    found = {line["what"]: line for line in records(out)}
    assert found["stars studio"]["state"] == "missing"
    assert "stars-infer[studio]" in found["stars studio"]["detail"]
    assert found["stars serve"]["state"] == found["reading videos"]["state"] == "ok"


def test_doctor_finds_wheels_that_overwrite_each_other(stars, monkeypatch):
    from stars_infer import diagnosis

    monkeypatch.setattr(
        diagnosis, "installed_version", lambda name: "1.31.0" if "onnx" in name else None
    )
    code, out, _ = stars("doctor", "--json")
    assert code == 1
    found = {line["what"]: line for line in records(out)}
    assert found["ONNX Runtime"]["state"] == "problem"
    assert "overwrite each other" in found["ONNX Runtime"]["detail"]
    assert "not installed" in found["FAISS"]["detail"]
