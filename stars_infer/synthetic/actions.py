"""A few actions, as different performers do them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.synthetic.body import Motion, Positions, Proportions, joints_of

FPS = 30.0
_TAU = 2 * np.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """A person, and how that person moves.

    Attributes:
        body: Lengths of the body.
        tempo: Speed of the movements; 1 is average.
        vigor: Size of the movements; 1 is average.
        phase: Point of a repeated movement at which the clip starts, 0 to 1.
        heading: Turn about the vertical, radians; 0 faces the camera.
        jitter: Standard deviation of the sensor's noise, meters.
    """

    body: Proportions
    tempo: float
    vigor: float
    phase: float
    heading: float
    jitter: float

    @classmethod
    def random(cls, random: np.random.Generator) -> Performer:
        """Draw a performer at random."""
        return cls(
            body=Proportions.of_height(random.normal(1.70, 0.09)),
            tempo=random.uniform(0.8, 1.25),
            vigor=random.uniform(0.8, 1.15),
            phase=random.uniform(0, 1),
            heading=random.uniform(-0.35, 0.35),
            jitter=0.006,
        )


def _standing(frames: int) -> Motion:
    """Stand with the arms down and the feet together."""
    side = np.array([-1.0, 1.0])
    wrists = np.zeros((frames, 2, 3))
    wrists[..., 0] = 0.15 * side
    wrists[..., 1] = -0.96
    ankles = np.zeros((frames, 2, 3))
    ankles[..., 1] = 0.06
    hips = np.tile([0.0, 1.04, 0.0], (frames, 1))
    return Motion(hips=hips, lean=np.full(frames, 0.03), wrists=wrists, ankles=ankles)


def _cycle(time: Positions, who: Performer, hertz: float) -> Positions:
    """Phase angle (T,) of a repeated movement, radians."""
    return np.asarray(_TAU * (hertz * who.tempo * time + who.phase))


def _pulse(angle: Positions) -> Positions:
    """Go from 0 to 1 and back, once in every turn of the angle."""
    return np.asarray(0.5 - 0.5 * np.cos(angle))


def wave(time: Positions, who: Performer) -> Motion:
    """Wave the right hand beside the head."""
    motion = _standing(len(time))
    swing = np.sin(_cycle(time, who, 1.4))
    motion.wrists[:, 1, 0] = 0.30 + 0.28 * who.vigor * swing
    motion.wrists[:, 1, 1] = 0.62 - 0.08 * swing**2
    motion.wrists[:, 1, 2] = -0.25
    return motion


def clap(time: Positions, who: Performer) -> Motion:
    """Clap both hands in front of the chest, again and again."""
    motion = _standing(len(time))
    center = who.body.shoulder / who.body.arm
    apart = 0.06 + 0.34 * who.vigor * _pulse(_cycle(time, who, 1.8))
    for side, sign in enumerate((-1, 1)):
        motion.wrists[:, side, 0] = sign * (apart - center)
        motion.wrists[:, side, 1] = -0.25
        motion.wrists[:, side, 2] = -0.62
    return motion


def squat(time: Positions, who: Performer) -> Motion:
    """Squat with the arms ahead, and stand up."""
    motion = _standing(len(time))
    down = _pulse(_cycle(time, who, 0.45))
    motion.hips[:, 1] -= 0.42 * who.vigor * down
    motion.hips[:, 2] += 0.22 * down
    motion.lean[:] += 0.55 * down
    motion.wrists[:, :, 1] = -0.96 + 0.90 * down[:, None]
    motion.wrists[:, :, 2] = -0.92 * down[:, None]
    return motion


def jump(time: Positions, who: Performer) -> Motion:
    """Crouch, jump with the arms up, and land."""
    motion = _standing(len(time))
    turn = (_cycle(time, who, 0.75) / _TAU) % 1
    crouch = _pulse(_TAU * (turn / 0.4).clip(0, 1)) + 0.6 * _pulse(
        _TAU * ((turn - 0.75) / 0.25).clip(0, 1)
    )
    flight = ((turn - 0.4) / 0.35).clip(0, 1)
    height = 0.38 * who.vigor * 4 * flight * (1 - flight)
    motion.hips[:, 1] += height - 0.22 * crouch
    motion.ankles[:, :, 1] += height[:, None]
    motion.lean[:] += 0.35 * crouch
    raised = np.sin(np.pi * ((turn - 0.3) / 0.6).clip(0, 1))
    motion.wrists[:, :, 1] = -0.96 + 1.7 * raised[:, None]
    motion.wrists[:, :, 2] = -0.35 * np.sin(np.pi * raised)[:, None] + 0.3 * crouch[:, None]
    return motion


def kick(time: Positions, who: Performer) -> Motion:
    """Swing the right leg ahead and up."""
    motion = _standing(len(time))
    out = _pulse(_cycle(time, who, 0.8)) ** 2
    motion.ankles[:, 1, 1] += 0.48 * who.vigor * out
    motion.ankles[:, 1, 2] = -0.85 * who.vigor * out + 0.15 * (1 - out)
    motion.lean[:] -= 0.20 * out
    motion.wrists[:, 0, 2] = -0.35 * out
    motion.wrists[:, 1, 2] = 0.30 * out
    motion.wrists[:, :, 1] = -0.9
    return motion


def walk(time: Positions, who: Performer) -> Motion:
    """Walk ahead, with the arms swinging against the legs."""
    motion = _standing(len(time))
    angle = _cycle(time, who, 0.9)
    ahead = -0.66 * who.tempo / who.body.leg * (time - time.mean())
    motion.hips[:, 2] += ahead
    motion.hips[:, 1] -= 0.03 + 0.02 * np.cos(2 * angle)
    for side, offset in enumerate((0.0, np.pi)):
        step = angle + offset
        motion.ankles[:, side, 2] = ahead + 0.36 * who.vigor * np.cos(step)
        motion.ankles[:, side, 1] += 0.14 * np.maximum(np.sin(step), 0)
        motion.wrists[:, side, 2] = -0.38 * who.vigor * np.cos(step)
        motion.wrists[:, side, 1] = -0.90
    return motion


def shake_hand(time: Positions, who: Performer) -> Motion:
    """Reach out with the right hand and shake that of the person opposite."""
    motion = _standing(len(time))
    out = np.minimum(1, _pulse(np.pi * (time / 0.7).clip(0, 1)) * 1.0)
    shake = np.sin(_cycle(time, who, 2.0)) * (out > 0.95)
    rest = motion.wrists[:, 1].copy()
    held = np.stack(
        (np.full(len(time), -0.20), -0.55 + 0.10 * who.vigor * shake, np.full(len(time), -0.70)),
        axis=1,
    )
    motion.wrists[:, 1] = rest + out[:, None] * (held - rest)
    motion.lean[:] += 0.08 * out
    return motion


Action = Callable[[Positions, Performer], Motion]

SOLO_ACTIONS: dict[str, Action] = {
    "wave": wave,
    "clap": clap,
    "squat": squat,
    "jump": jump,
    "kick": kick,
    "walk": walk,
}
PAIR_ACTIONS: dict[str, Action] = {"handshake": shake_hand}
ACTIONS = (*SOLO_ACTIONS, *PAIR_ACTIONS)
_PAIR_DISTANCE = 1.0


def perform(name: str, random: np.random.Generator, *, seconds: float = 2.8) -> FloatArray:
    """Record an action by a random performer.

    Args:
        name: One of `ACTIONS`.
        random: Decides on the performer and on the noise of the sensor.
        seconds: Average duration; the recording differs from it by up to a fifth.

    Returns:
        Joints (1 or 2, T, 25, 3) in the sensor's frame (x right, y up, z away), meters.
    """
    frames = round(FPS * seconds * random.uniform(0.8, 1.2))
    time = np.arange(frames) / FPS
    place = np.array([random.normal(0, 0.2), -1.0, random.uniform(2.4, 3.4)])
    who = Performer.random(random)
    if name in SOLO_ACTIONS:
        bodies = [_record(SOLO_ACTIONS[name](time, who), who, place, random)]
    else:
        # Two people face each other across the camera's view, in step with one another.
        other = replace(Performer.random(random), tempo=who.tempo, phase=who.phase)
        bodies = []
        for person, side in ((who, -1), (other, 1)):
            turned = replace(person, heading=side * np.pi / 2 + 0.3 * who.heading)
            aside = place + np.array([side * _PAIR_DISTANCE / 2, 0, 0])
            bodies.append(_record(PAIR_ACTIONS[name](time, turned), turned, aside, random))
    return np.stack(bodies)


def _record(
    motion: Motion, who: Performer, place: Positions, random: np.random.Generator
) -> FloatArray:
    """Joints (T, 25, 3) as a sensor sees them: turned, at a place in the room, with noise."""
    cos, sin = np.cos(who.heading), np.sin(who.heading)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    joints = joints_of(motion, who.body) @ turn.T + place
    return np.asarray(joints + random.normal(0, who.jitter, joints.shape), np.float32)
