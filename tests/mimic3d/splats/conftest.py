import pytest
from ball_and_wall import BallAndWall

from mimic3d.cameras import Scene


@pytest.fixture
def subject():
    return BallAndWall()


@pytest.fixture
def scene():
    return Scene(near=2.25, far=3.3)
