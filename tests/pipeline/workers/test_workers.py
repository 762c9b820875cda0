import pytest

from pipeline.workers import workers


def test_own_mistakes_are_told_and_those_in_libraries_traced():
    with pytest.raises(ValueError, match="ours") as ours:
        raise ValueError("ours")
    assert workers._is_ours(ours.value)
    with pytest.raises(ValueError) as library:  # noqa: PT011  whatever json says
        __import__("json").loads("{")
    assert not workers._is_ours(library.value)
