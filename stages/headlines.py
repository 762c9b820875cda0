"""Metrics of each stage that MLflow's first table shows of a reproduction; patterns as in fnmatch.

No stage imports this, so that another choice changes no stage.
"""

HEADLINES: dict[str, tuple[str, ...]] = {
    "prepare": ("num_train", "num_rejected"),
    "pretrain": ("val/2d/fd_*", "speed/images_per_second"),
    "imitate": ("val/[23]d/fd_*", "val/3d/warp_psnr_*", "speed/images_per_second"),
    "evaluate": ("[23]d/fd_*", "3d/warp_psnr_*"),
}
COLUMNS = (
    *("evaluate/3d/fd_lite0", "evaluate/2d/fd_lite0"),
    *("evaluate/3d/fd_random_conv", "evaluate/2d/fd_random_conv"),
    *("evaluate/3d/warp_psnr_at_0.2", "imitate/val/3d/fd_random_conv"),
    *("pretrain/kimg", "imitate/kimg", "imitate/speed/images_per_second"),
)
"""Columns of MLflow's first table, as `make ui` opens it."""
