"""Names that a pickle may use, and our own functions and values that stand for them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Name = tuple[str, str]  # module, qualified name


class StatefulValue(ABC):
    """A value that takes the state which a pickle gives it after its construction."""

    @abstractmethod
    def build(self, state: object) -> None:
        """Take the state, or raise a ValueError if this value cannot have it."""


@dataclass(frozen=True)
class Allowlist:
    """Names that a pickle may use, and what happens instead of each."""

    calls: Mapping[Name, Callable[[tuple], object]] = field(default_factory=dict)
    """Functions, by what is called with their arguments instead."""
    classes: Mapping[Name, Callable[[], object]] = field(default_factory=dict)
    """Classes whose instances are made without arguments, by what makes them instead."""
    inert: frozenset[Name] = frozenset()
    """Names that may be used but not called."""
    persistent: Callable[[object], object] | None = None
    """Value of a persistent id; None: there must be none."""


@dataclass(frozen=True)
class Global:
    """A name that a pickle gave; a value like any other."""

    name: Name

    def __str__(self) -> str:
        return ascii(".".join(self.name)[:80])
