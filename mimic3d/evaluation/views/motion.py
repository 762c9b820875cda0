"""Small steps of the camera: does the picture move as its depth says?"""

from mimic3d.cameras import Scene
from mimic3d.evaluation.views.objects import Sitter, numbers
from mimic3d.metrics.consistency import WarpConfig
from mimic3d.metrics.flow import FlowConfig, flow_scores, flow_steps


def score_motion(
    sitter: Sitter, pitch_rad: float, scene: Scene, warp: WarpConfig, cfg: FlowConfig
) -> dict[str, float]:
    """Flow residual over three views; each object gets the step at which its texture moves alike.

    The step is rounded to a millionth of a radian, so that a repeated evaluation takes the same.
    """
    front = sitter(0.0, pitch_rad)
    step = round(flow_steps(front, pitch_rad, scene, warp, cfg).item(), 6)
    left, right = sitter(-step, pitch_rad), sitter(step, pitch_rad)
    return numbers(flow_scores(left, front, right, warp))
