"""What a server answers, as OpenAPI describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Failure(BaseModel):
    """A clip that cannot be used."""

    source: str = Field(examples=["broken.skeleton"])
    error: str = Field(examples=["the file is empty"])


class NeighborAnswer(BaseModel):
    """An exemplar near a clip."""

    label: str = Field(examples=["wave"])
    similarity: float = Field(examples=[0.94])
    source: str = Field(examples=["anna.json"])


class Chance(BaseModel):
    """How likely an action is."""

    label: str = Field(examples=["wave"])
    chance: float = Field(examples=[0.91])


class PredictionAnswer(BaseModel):
    """What a clip shows, as `stars classify --json` prints it."""

    source: str = Field(examples=["clip.json"])
    answer: str = Field(description="The label, or `unknown`.", examples=["wave"])
    label: str = Field(examples=["wave"])
    known: bool = Field(examples=[True])
    confidence: float = Field(description="Chance that the label is right.", examples=[0.91])
    chance_known: float = Field(examples=[0.97])
    second: str | None = Field(examples=["clap"])
    similarity: float = Field(examples=[0.94])
    margin: float | None = Field(examples=[0.21])
    neighbors: list[NeighborAnswer]
    likeliest: list[Chance]
    bodies: int | None = Field(examples=[1])
    frames: int | None = Field(examples=[89])
    notes: list[str] = Field(examples=[[]])


class ClassifyAnswer(BaseModel):
    """What clips show."""

    answers: list[PredictionAnswer]
    failures: list[Failure] = Field(examples=[[]])


class ChancesAnswer(BaseModel):
    """How likely each action is."""

    labels: list[str] = Field(description="The actions.", examples=[["clap", "wave"]])
    sources: list[str] = Field(examples=[["clip.json"]])
    chances: list[list[float]] = Field(
        description="A row for each clip, in the order of the labels.", examples=[[[0.05, 0.91]]]
    )
    failures: list[Failure] = Field(examples=[[]])


class Neighbors(BaseModel):
    """The exemplars nearest to a clip, nearest first."""

    source: str = Field(examples=["clip.json"])
    neighbors: list[NeighborAnswer]


class SearchAnswer(BaseModel):
    """The exemplars nearest to clips."""

    answers: list[Neighbors]
    failures: list[Failure] = Field(examples=[[]])


class Vector(BaseModel):
    """The vector of a clip."""

    source: str = Field(examples=["clip.json"])
    vector: list[float] = Field(examples=[[0.12, -0.5]])
    content_hash: str = Field(examples=["9f86d081…"])
    notes: list[str] = Field(examples=[[]])


class EmbedAnswer(BaseModel):
    """Vectors of clips."""

    model: str = Field(examples=["stars-mocap-small"])
    fingerprint: str = Field(examples=["a1b2c3…"])
    clips: list[Vector]
    failures: list[Failure] = Field(examples=[[]])


class SegmentPart(BaseModel):
    """An action in a recording."""

    start: float = Field(examples=[1.2])
    end: float = Field(examples=[3.4])
    label: str = Field(examples=["wave"])
    confidence: float = Field(examples=[0.8])
    similarity: float = Field(examples=[0.9])


class TimelineAnswer(BaseModel):
    """A recording, and the actions in it."""

    source: str = Field(examples=["morning.npy"])
    seconds: float = Field(examples=[12.5])
    segments: list[SegmentPart]
    notes: list[str] = Field(examples=[[]])


class SegmentAnswer(BaseModel):
    """Recordings, and the actions in them."""

    recordings: list[TimelineAnswer]
    failures: list[Failure] = Field(examples=[[]])


class ExemplarAnswer(BaseModel):
    """A labeled clip in the index."""

    id: int = Field(examples=[17])
    label: str = Field(examples=["wave"])
    source: str = Field(examples=["anna.json"])
    content_hash: str = Field(examples=["9f86d081…"])
    added: str = Field(description="UTC.", examples=["2026-11-30T07:00:00+00:00"])


class AdditionAnswer(BaseModel):
    """What became of a clip that was to be added."""

    source: str = Field(examples=["anna.json"])
    label: str = Field(examples=["wave"])
    notes: list[str] = Field(examples=[[]])
    added: bool = Field(description="False if the index holds the clip already.", examples=[True])
    known: ExemplarAnswer | None = Field(description="The example that holds it already.")


class AddAnswer(BaseModel):
    """What became of clips that were to be added; those that were are in the file."""

    clips: list[AdditionAnswer]
    failures: list[Failure] = Field(examples=[[]])


class ListAnswer(BaseModel):
    """Exemplars, by label and then by age."""

    counts: dict[str, int] = Field(
        description="Examples of each action of the index.", examples=[{"clap": 5, "wave": 3}]
    )
    exemplars: list[ExemplarAnswer]
    next: int | None = Field(
        description="Pass it as `start` for more; null if these are the last.", examples=[None]
    )


class Rename(BaseModel):
    """Another label, for an action or for single exemplars."""

    model_config = {"extra": "forbid"}

    label: str | None = Field(None, description="The action that is renamed.", examples=["wave"])
    ids: list[int] = Field([], description="Or single examples.", max_length=10_000)
    to: str = Field(description="The new name.", examples=["greet"])


class Changed(BaseModel):
    """How many exemplars were changed."""

    changed: int = Field(examples=[3])


class ModelAnswer(BaseModel):
    """The model that names clips here."""

    name: str = Field(examples=["stars-mocap-small"])
    fingerprint: str = Field(examples=["a1b2c3…"])
    width: int = Field(description="Numbers in a vector.", examples=[256])
    comparison: str = Field(examples=["dynamic time warping of 32 steps"])
    license: str = Field(examples=["CC-BY-SA-3.0"])
    exemplars: int = Field(examples=[8])
    actions: int = Field(examples=[2])


class ModelsAnswer(BaseModel):
    """The models that name clips here."""

    models: list[ModelAnswer]


class Welcome(BaseModel):
    """What answers here."""

    name: str = Field(examples=["stars-infer"])
    version: str = Field(examples=["0.1.0"])
    about: str = Field(description="What it is for.", examples=["Names human motion clips."])
    requests: str = Field(description="What can be asked.", examples=["/openapi.json"])
    state: str = Field(description="Whether it answers now.", examples=["/readyz"])
    documentation: str = Field(examples=["docs/serving.md"])


class State(BaseModel):
    """How the server is."""

    status: str = Field(examples=["ok"])


class Problem(BaseModel):
    """Why a request is not answered: the sentence that the command line prints."""

    error: str = Field(examples=["clip.json: the file is empty"])
    kind: str = Field(description="clip, usage, index, extra or server.", examples=["clip"])
    source: str | None = Field(None, examples=["clip.json"])
    problem: str | None = Field(None, examples=["the file is empty"])


_MEANINGS = {
    400: "The call itself is wrong: an unknown option or a value that means nothing.",
    401: "A key is missing or wrong.",
    403: "The key is not for that, or a page of another site asks.",
    404: "There is nothing of that name.",
    405: "That cannot be done here.",
    408: "The body came too slowly.",
    409: "It does not fit the index: empty, or in 2D where the index is in 3D.",
    413: "The body, the number of files or of clips is too large.",
    414: "The address and its query are too long.",
    415: "The type of the body is not known.",
    421: "The server is not called so.",
    422: "The clip cannot be used.",
    429: "Too many requests: come again after `Retry-After` seconds.",
    431: "The headers are too long.",
    501: "A package is missing on the server.",
    503: "Not now: come again after `Retry-After` seconds.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": meaning} for status, meaning in _MEANINGS.items()
}
"""What each status of an error means, for OpenAPI."""
