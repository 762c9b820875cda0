"""Identity of a head: shape, colours, hair and accessories, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from mimic3d.synthetic.identity import (
    NO_POSE_BIAS,
    CategoricalFactor,
    Identity,
    PoseBias,
    Triple,
    clip_color,
    clip_score,
    hsv,
    sample_categorical,
    sample_either_side,
    sample_light,
    sample_normal,
    sample_option,
)

SKIN_TONES = ((0.93, 0.76, 0.66), (0.78, 0.56, 0.42), (0.40, 0.26, 0.19))
HAIR_TONES = {
    (0.09, 0.07, 0.06): 0.28,
    (0.20, 0.11, 0.06): 0.27,
    (0.42, 0.25, 0.12): 0.17,
    (0.78, 0.60, 0.32): 0.14,
    (0.55, 0.18, 0.07): 0.07,
    (0.62, 0.60, 0.58): 0.07,
}
IRIS_TONES = {
    (0.25, 0.13, 0.06): 0.5,
    (0.22, 0.38, 0.58): 0.2,
    (0.25, 0.42, 0.22): 0.13,
    (0.40, 0.28, 0.12): 0.17,
}
STYLES = {"short": 0.36, "long": 0.25, "bob": 0.15, "bald": 0.07, "bun": 0.09, "afro": 0.08}
PATTERNS = {"plain": 0.2, "stripes": 0.35, "checks": 0.3, "dots": 0.15}


@dataclass(frozen=True)
class HeadShape:
    """Geometry of skull and face."""

    width: float
    jaw: float
    length: float
    cheek: float
    chin_y: float
    chin_z: float
    eye_x: float
    eye_y: float
    eye_radius: float
    eye_open: float
    eye_lower: float
    eye_tilt: float
    gaze_x: float
    """Gaze of both eyes to the subject's left, rad."""
    gaze_y: float
    nose_length: float
    nose_width: float
    nose_z: float
    bridge: float
    mouth_y: float
    mouth_width: float
    lip: float
    smile: float
    smirk: float
    """Slope of the mouth; never 0."""
    brow: float
    brow_y: float
    brow_thickness: float
    brow_slope: float
    brow_raise: float
    """Half the height of the left brow above the right one."""
    ear: float


@dataclass(frozen=True)
class HeadPaint:
    """Colours."""

    skin: Triple
    lips: Triple
    hair: Triple
    iris: Triple
    cloth: Triple
    cloth2: Triple
    frame: Triple
    freckles: float
    mole_x: float
    """Place of the mole across the face; always off the middle."""
    mole_y: float


@dataclass(frozen=True)
class HeadWear:
    """Hair, beard, glasses, clothes and jewellery."""

    style: CategoricalFactor
    hairline: float
    part: float
    """Place of the parting of the hair; always off the middle."""
    sweep: float
    """Slope of the hairline, away from the parting."""
    volume: float
    strands: float
    """Strands per radian."""
    waves: float
    """Waviness of the strands, 0..1."""
    beard: float
    glasses_radius: float
    """Radius of the glasses; 0 without."""
    earring: float
    """Radius of the one earring, on the subject's left; 0 without."""
    pattern: CategoricalFactor
    pattern_frequency: float
    pattern_phase: float


@dataclass(frozen=True)
class HeadIdentity(Identity):
    """A human head."""

    shape: HeadShape
    paint: HeadPaint
    wear: HeadWear


def sample_head(rng: np.random.Generator, pose_bias: PoseBias = NO_POSE_BIAS) -> HeadIdentity:
    """A random head; mirror images are equally likely."""
    side = float(rng.choice([-1.0, 1.0]))
    return HeadIdentity(
        side,
        sample_light(rng),
        _sample_shape(rng, pose_bias, side),
        _sample_paint(rng),
        _sample_wear(rng),
    )


def _sample_shape(rng: np.random.Generator, pose_bias: PoseBias, side: float) -> HeadShape:
    return HeadShape(
        width=1 + sample_normal(rng, 0.045),
        jaw=1 + sample_normal(rng, 0.07),
        length=1 + sample_normal(rng, 0.035),
        cheek=sample_normal(rng, 0.008),
        chin_y=sample_normal(rng, 0.010),
        chin_z=sample_normal(rng, 0.010),
        eye_x=0.084 * (1 + sample_normal(rng, 0.035)),
        eye_y=0.055 + sample_normal(rng, 0.004),
        eye_radius=0.037 * (1 + sample_normal(rng, 0.05)),
        eye_open=0.56 + sample_normal(rng, 0.07),
        eye_lower=0.40 + sample_normal(rng, 0.05),
        eye_tilt=sample_normal(rng, 0.06),
        gaze_x=0.10 * side * clip_score(pose_bias.gaze(float(rng.standard_normal()))),
        gaze_y=sample_normal(rng, 0.04),
        nose_length=sample_normal(rng, 0.010),
        nose_width=1 + sample_normal(rng, 0.16),
        nose_z=sample_normal(rng, 0.010),
        bridge=sample_normal(rng, 0.006),
        mouth_y=-0.134 + sample_normal(rng, 0.005),
        mouth_width=0.070 * (1 + sample_normal(rng, 0.10)),
        lip=1 + sample_normal(rng, 0.22),
        smile=0.008 + 0.010 * clip_score(pose_bias.smile(float(rng.standard_normal()))),
        smirk=sample_either_side(rng, 0.02, 0.09),
        brow=sample_normal(rng, 0.006),
        brow_y=0.103 + sample_normal(rng, 0.005),
        brow_thickness=0.0085 * (1 + sample_normal(rng, 0.25)),
        brow_slope=sample_normal(rng, 0.008),
        brow_raise=sample_normal(rng, 0.0025),
        ear=1 + sample_normal(rng, 0.12),
    )


def _sample_paint(rng: np.random.Generator) -> HeadPaint:
    tone = rng.random() * (len(SKIN_TONES) - 1)
    first = min(int(tone), len(SKIN_TONES) - 2)
    blend = tone - first
    skin = np.asarray(SKIN_TONES[first]) * (1 - blend) + np.asarray(SKIN_TONES[first + 1]) * blend
    skin = skin * (1 + 0.04 * rng.standard_normal()) * (1 + 0.012 * rng.standard_normal(3))
    lips = skin * [0.88, 0.60, 0.62] + [0.05, 0, 0.02] + 0.02 * rng.standard_normal(3)
    hair = np.asarray(sample_option(rng, HAIR_TONES)) * (1 + 0.15 * rng.standard_normal())
    cloth_hue = rng.random()
    return HeadPaint(
        skin=clip_color(skin, 0.1),
        lips=clip_color(lips),
        hair=clip_color(hair + 0.015 * rng.standard_normal(3)),
        iris=clip_color(np.asarray(sample_option(rng, IRIS_TONES))),
        cloth=hsv(cloth_hue, rng.uniform(0.2, 0.85), rng.uniform(0.3, 0.9)),
        cloth2=hsv(cloth_hue + rng.uniform(0.2, 0.8), rng.uniform(0, 0.6), rng.uniform(0.2, 1)),
        frame=hsv(rng.random(), 0.5 * rng.random(), 0.08 + 0.4 * rng.random()),
        freckles=float(rng.random() < 0.4) * rng.uniform(0.3, 1),
        mole_x=sample_either_side(rng, 0.04, 0.11),
        mole_y=rng.uniform(-0.17, -0.02),
    )


def _sample_wear(rng: np.random.Generator) -> HeadWear:
    style = sample_categorical(rng, STYLES)
    bearded = rng.random() < 0.22 and style.is_("short", "bald", "afro")
    part = sample_either_side(rng, 0.03, 0.08)
    return HeadWear(
        style=style,
        hairline=sample_normal(rng, 0.018),
        part=part,
        sweep=float(np.sign(part)) * rng.uniform(0.05, 0.25),
        volume=1 + abs(sample_normal(rng, 0.05)),
        strands=rng.uniform(52, 92),
        waves=float(rng.random() < 0.4) * rng.uniform(0.2, 1),
        beard=float(bearded) * rng.uniform(0.4, 1),
        glasses_radius=float(rng.random() < 0.18) * rng.uniform(0.043, 0.052),
        earring=float(rng.random() < 0.5) * rng.uniform(0.012, 0.017),
        pattern=sample_categorical(rng, PATTERNS),
        pattern_frequency=rng.uniform(70, 150),
        pattern_phase=rng.uniform(0, 6.28),
    )
