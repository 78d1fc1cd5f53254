import json
from dataclasses import replace

import numpy as np
import pytest

from stars_infer.encoder.model import (
    GRAPH_FILE,
    INFO_FILE,
    PRESENT,
    ZEROS,
    ModelInfo,
    Stream,
    check_fingerprint,
    contract_of,
    fingerprint_of,
    read_model_info,
    scale_streams,
)
from stars_infer.errors import ModelError
from stars_infer.preprocessing.prepare import Preprocessing

STREAMS = tuple(
    Stream(stream=stream, model=f"my-{stream}", fingerprint=stream, width=width, weight=weight)
    for stream, width, weight in (("joint", 2, 2.0), ("bone", 3, 0.5))
)


def model(streams=STREAMS, **changes):
    how = Preprocessing()
    fields = {
        "name": "two", "preprocessing": how, "width": 5, "absent_bodies": PRESENT,
        "streams": streams,
        "fingerprint": fingerprint_of(b"graph", contract_of(how, PRESENT, None, None, streams)),
    }  # fmt: skip
    return ModelInfo(**{**fields, **changes})


def test_every_stream_gets_the_length_of_its_weight():
    vector = np.array([3, 4, 0, 10, 0], np.float32)
    np.testing.assert_allclose(scale_streams(vector, STREAMS), [1.2, 1.6, 0, 0.5, 0], rtol=1e-6)
    nothing = scale_streams(np.zeros(5, np.float32), STREAMS)
    assert not nothing.any()


def test_bodies_are_averaged_before_streams_are_weighted():
    bodies = np.array([[6, 0, 0, 0, 0], [0, 8, 0, 20, 0]], np.float32)
    np.testing.assert_allclose(model().clip_vector(bodies), [1.2, 1.6, 0, 0.5, 0], rtol=1e-6)
    zeros = model(absent_bodies=ZEROS, zero_body=(0.0, 8.0, 0.0, 20.0, 0.0))
    np.testing.assert_allclose(zeros.clip_vector(bodies[:1]), [1.2, 1.6, 0, 0.5, 0], rtol=1e-6)


def test_weights_survive_the_file_and_are_part_of_the_fingerprint(tmp_path):
    info = model()
    (tmp_path / GRAPH_FILE).write_bytes(b"graph")
    (tmp_path / INFO_FILE).write_text(json.dumps(info.to_json()))
    again = read_model_info(tmp_path)
    assert again == info
    check_fingerprint(tmp_path, again)
    other = model((replace(STREAMS[0], weight=1.0), STREAMS[1]))
    assert other.fingerprint != info.fingerprint
    with pytest.raises(ModelError, match="do not belong together"):
        check_fingerprint(tmp_path, replace(info, streams=other.streams))


def test_impossible_streams_are_refused():
    with pytest.raises(ModelError, match="its streams do not add up to 6 numbers: joint of my-j"):
        model(width=6)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(
            ModelError, match="my-joint: stream weight .*: expected a number above 0"
        ):
            replace(STREAMS[0], weight=weight)
