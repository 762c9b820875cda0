"""Settings that the authors' pickles keep beside the weights, read by name and checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from mimic3d.conversion.pickle_values import PickledObject

REFUSED = "ours has no other variant, so it cannot be converted"

Plain = None | bool | int | float | str
Expected = Mapping[str, tuple[Plain, ...]]


@dataclass(frozen=True)
class Options:
    """Settings by name, and where they stand, for messages."""

    where: str
    values: Mapping[str, object]

    def get(self, name: str) -> object:
        """A setting.

        Raises:
            ValueError: the pickle does not tell.
        """
        if name not in self.values:
            raise ValueError(f"{self.where} must tell {name}, does not, so it cannot be converted")
        return self.values[name]

    def number(self, name: str) -> float:
        """A setting that must be a finite number."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
            raise ValueError(
                f"{self.where}.{name} must be a number, is {describe(value)}; {REFUSED}"
            )
        return value

    def integer(self, name: str) -> int:
        """A setting that must be a whole number."""
        value = self.number(name)
        if value != int(value):
            raise ValueError(
                f"{self.where}.{name} must be an integer, is {describe(value)}; {REFUSED}"
            )
        return int(value)

    def group(self, name: str) -> "Options":
        """Settings inside a setting."""
        value = self.get(name)
        if not isinstance(value, dict):
            raise ValueError(f"{self.where}.{name} must be a dict, is {describe(value)}; {REFUSED}")
        return Options(f"{self.where}.{name}", value)

    def check(self, expected: Expected) -> None:
        """Refuse other values than these.

        Raises:
            ValueError: a setting is missing, or has a value that ours does not reproduce.
        """
        for name, allowed in expected.items():
            value = self.get(name)
            if not isinstance(value, Plain) or value not in allowed:
                only = " or ".join(map(repr, allowed))
                raise ValueError(
                    f"{self.where}.{name} must be {only}, is {describe(value)}; {REFUSED}"
                )

    def check_given(self, expected: Expected) -> None:
        """Refuse other values than these, but not missing settings: older pickles know fewer."""
        self.check({name: allowed for name, allowed in expected.items() if name in self.values})


def read_options(network: PickledObject, which: str) -> Options:
    """Settings of a network: its attributes, and the arguments that it was constructed with."""
    arguments = network.get("_init_kwargs")
    given = arguments if isinstance(arguments, dict) else {}
    return Options(which, {**given, **(network.attributes or {})})


def describe(value: object) -> str:
    """A value for a message; of containers, which can be endless, only the type."""
    return ascii(value)[:60] if isinstance(value, Plain) else f"a {type(value).__name__}"
