from pathlib import Path

import pytest

from benchmarks import photos
from mimic3d.preparation.poses.face_models import FOLDER, find_face_models


@pytest.mark.slow
def test_large_heads_before_busy_walls_are_kept_and_no_part_costs_more_than_all(tmp_path):
    """Of these two a small window takes the face for one that lies on its side."""
    pytest.importorskip("cv2")
    try:
        find_face_models(Path(FOLDER))
    except ValueError as error:
        pytest.skip(str(error))
    names = ["0.png", "1.png"]
    for seed, name in enumerate(names):
        (tmp_path / name).write_bytes(photos._photo(photos.KINDS[0], seed))
    costs = photos.measure(photos.build_processor(tmp_path, 512), names, turns=1)
    assert costs["kept"] == 1
    assert sum(costs[part] for part in photos.PARTS) < costs["all"]
    assert all(costs[part] > 0 for part in photos.PARTS)
