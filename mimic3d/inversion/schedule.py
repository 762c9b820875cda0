"""Learning rate of an optimisation that ends when it no longer gains."""

import math
from dataclasses import dataclass, field

from pydantic import Field, PositiveFloat, PositiveInt

from mimic3d.config import Config


class ScheduleConfig(Config):
    """Length and learning rate of an optimisation."""

    num_steps: PositiveInt
    """Steps at most."""
    lr: PositiveFloat
    """Largest learning rate of Adam."""
    ramp_up: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0 (StyleGAN2's projector)."""
    ramp_down: float = Field(default=0.25, gt=0, le=1)
    """Share of the steps in which it falls to 0 as a cosine (StyleGAN2's projector)."""
    patience: PositiveInt = 25
    """Steps over which the loss is averaged to tell what is gained."""
    min_gain: float = Field(default=0.02, ge=0, lt=1)
    """Share of the loss that so many steps must gain; if less, the learning rate falls at once."""


@dataclass
class Schedule:
    """Learning rate by step; `record` tells it the losses."""

    cfg: ScheduleConfig
    losses: list[float] = field(default_factory=list)
    """Losses of the steps so far."""
    fall_from: int = -1
    """Step from which the learning rate falls."""

    def __post_init__(self) -> None:
        if self.fall_from < 0:
            self.fall_from = self.cfg.num_steps - self.fall_length

    @property
    def fall_length(self) -> int:
        """Steps in which the learning rate falls."""
        return math.ceil(self.cfg.ramp_down * self.cfg.num_steps)

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)

    @property
    def last_step(self) -> int:
        """Steps in all, as far as is known by now."""
        return self.fall_from + self.fall_length

    @property
    def is_over(self) -> bool:
        """True if no step is left."""
        return self.step >= self.last_step

    def lr(self) -> float:
        """Learning rate of the next step."""
        rising = self.cfg.ramp_up * self.cfg.num_steps
        factor = min(1.0, (self.step + 1) / rising) if rising else 1.0
        if self.step >= self.fall_from:
            way = (self.step - self.fall_from) / self.fall_length
            factor *= 0.5 * (1 + math.cos(math.pi * way))
        return self.cfg.lr * factor

    def record(self, loss: float) -> None:
        """Takes the loss of the step that was done."""
        self.losses.append(loss)
        num = self.cfg.patience
        if self.step < self.fall_from and self.step >= 2 * num:
            before = sum(self.losses[-2 * num : -num])
            if sum(self.losses[-num:]) > (1 - self.cfg.min_gain) * before:
                self.fall_from = self.step
