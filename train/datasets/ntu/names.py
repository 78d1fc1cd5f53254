"""The names of the samples of NTU RGB+D and NTU RGB+D 120."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_CAMERAS = 3
_REPLICATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleName:
    """The content of a name such as S001C002P003R002A013; all numbers count from 1."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int

    @classmethod
    def parse(cls, name: str) -> SampleName | None:
        """Read a name without its file ending; None if it belongs to neither data set."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        setup, camera, performer, replication, action = map(int, found.groups())
        sample = cls(
            setup=setup,
            camera=camera,
            performer=performer,
            replication=replication,
            action=action,
        )
        return sample if sample in NTU_SETS["ntu120"] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NtuSet:
    """The extent of one of the two data sets.

    Attributes:
        setups: Number of setups.
        performers: Number of performers.
        actions: Number of actions.
        samples: Number of published samples.
    """

    setups: int
    performers: int
    actions: int
    samples: int

    def __contains__(self, sample: SampleName) -> bool:
        return (
            1 <= sample.setup <= self.setups
            and 1 <= sample.camera <= _CAMERAS
            and 1 <= sample.performer <= self.performers
            and 1 <= sample.replication <= _REPLICATIONS
            and 1 <= sample.action <= self.actions
        )


NTU_SETS: Mapping[str, NtuSet] = {
    "ntu60": NtuSet(setups=17, performers=40, actions=60, samples=56_880),
    "ntu120": NtuSet(setups=32, performers=106, actions=120, samples=114_480),
}
