import pytest

from benchmarks.cost import AXES, Point, draw, fit_law, points, predict


def test_a_law_is_recovered_from_its_own_measurements():
    truth = {"side": 1.9, "samples": 0.4, "batch": -0.2}
    measured = {point: predict(point, 3e-4, truth) for point in points()}
    constant, exponents, worst = fit_law(measured)
    assert constant == pytest.approx(3e-4)
    assert exponents == pytest.approx(truth)
    assert worst == pytest.approx(1)
    assert len(draw(measured, constant, exponents).axes) == len(AXES)


def test_points_differ_from_the_middle_in_one_number():
    middle = Point()
    for point in points():
        assert sum(getattr(point, axis) != getattr(middle, axis) for axis in AXES) <= 1
