"""What each stored array is for: given to our code, skipped for a reason, or else compared.

Patterns of file -> patterns of name, as in `fnmatch`.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

INPUTS: dict[str, tuple[str, ...]] = {
    "components/*": ("in.*", "sd.*", "g", "*.g", "x", "w", "w1", "styles", "g[0-9]_seed"),
    "components/modulated_conv2d": ("noise_same", "noise_up"),
    "components/conv2d_resample": ("w3", "wg"),
    "components/bias_act": ("b",),
    "components/fc_mapping": ("fc.x", "*.sd.*", "map.z", "map.c"),
    "components/upfirdn2d": ("blur.x",),
    "components/importance_sampling": (
        "jitter_u", "imp.z_vals", "imp.weights", "imp.u", "pdf.bins", "pdf.weights", "pdf.u",
    ),
    "components/triplane_sampling": ("plane0", "plane1", "coords", "decoder.sd.*"),
    "components/ray_marcher": ("colors", "densities", "depths", "g_rgb"),
    "components/ray_sampler": ("ffhq.c", "shapenet.c", "*.top_left", "*.full_resolution"),
    "components/camera": ("lookat.args_*", "lookat_std.randn_*", "fov.deg", "c2w.forward",
                          "c2w.origin"),
    "components/ada_augment": ("im3", "im6", "only.noise.randn_image", "tape.*.rand",
                               "tape.*.randn"),
    "tiny_*/forward": (
        "z", "c_cond", "c_cam", "*_top_left", "tape_jitter_u", "tape_importance_u", "pts",
        "D_image", "D_image_raw", "D_c",
    ),
    "losses/*_inputs": ("real_uint8", "real_c", "gen_z", "gen_c"),
    "losses/tiny_*": ("phase", "cur_nimg", "rng.*"),
    "losses/lpips": ("r*.in0", "r*.in1", "weight_checksums_json"),
}  # fmt: skip

UNUSED = "an option that no preset of the authors uses: "

SKIPPED: dict[str, dict[str, str]] = {
    "components/aware3d_op": {"aware3d_att.y": UNUSED + "attention between planes"},
    "components/aware3d_block_last_add1": {
        "*": UNUSED + "3D-aware blocks after the last level (add_block)"
    },
    "components/bias_act": {
        "linear.gain_clamp.*": "the reference clamps no linear layer of these networks",
        "lrelu.alpha*": UNUSED + "another slope",
        **{
            f"{name}.*": UNUSED + f"{name} as the activation of a layer"
            for name in ("relu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish")
        },
    },
    "components/modulated_conv2d": {"k3_demod_fp16.note": "prose"},
    "components/conv2d_resample": {
        "k1_up2.*": UNUSED + "a 1 x 1 convolution that upsamples",
        "k3_up2_down2.*": UNUSED + "a convolution that upsamples and downsamples",
    },
    "components/upfirdn2d": {
        "spec_json": "describes the cases",
        **{f"case_{c}.*": UNUSED + "other filters, or steps per axis" for c in "cdehij"},
        "filter.*sym*": UNUSED + "other filters",
        "*sample2d.*sym*": UNUSED + "other filters",
        "filter2d.*sym*": UNUSED + "other filters",
        "setup_1331_gain4_flip": UNUSED + "other filters",
        "setup_sep": UNUSED + "other filters",
        "setup_nonorm2d": UNUSED + "other filters",
    },
    "components/minibatch_std": {
        "g4_f[23].*": UNUSED + "more than one channel of standard deviations"
    },
    "components/filtered_resizing": {
        "none_*": UNUSED + "resizing without antialiasing",
        "half_*": UNUSED + "resizing half-way by filters",
        "classic_16": UNUSED + "resizing by filters",
    },
    "components/importance_sampling": {
        "strat_disparity": UNUSED + "samples equally spaced in disparity",
        "strat_tensor*": UNUSED + "limits of their own for each ray",
        "linspace": UNUSED + "limits of their own for each ray",
        "unify.*": "ours merges both passes inside its renderer; see det_features of the networks",
    },
    "components/ray_marcher": {"g_depth": "no gradient of the depth is stored"},
    "components/ray_sampler": {"limits*": UNUSED + "limits of rays by the box"},
    "components/camera": {"uniform_bugged.*": "a sampler that ignores its random numbers"},
    "tiny_*/forward": {"unfused_vs_fused_maxrel": "how far the reference differs from itself"},
    "losses/tiny_*_Greg": {"rng.03.*": "directions of view, which no decoder looks at"},
    "losses/tiny_3d_Gmain_adv": {"rng.*.randint.*": "windows of patches, of which it sees none"},
    "losses/tiny_*": {
        "module": "which network is trained; `phase` says it too",
        "report.Progress/blur_sigma_patch": UNUSED + "blur on patches",
    },
    "losses/tiny_3d_Gmain_featmatch_detailreg": {
        "report.Loss/G/feat": UNUSED + "feature matching",
        "report.Loss/G/detail_reg": UNUSED + "a penalty on detail planes",
        "backward0.loss_times_gain": UNUSED + "a sum with these two",
        "backward0.zero_or_none": UNUSED + "a sum with these two",
    },
}


def matching(patterns, file: str) -> Iterator:
    """What a table says about a file."""
    return (entry for pattern, entry in patterns.items() if fnmatchcase(file, pattern))


def is_input(file: str, name: str) -> bool:
    """Whether our code is given this array; resampling filters, which ours makes, it is not."""
    if name.endswith("resample_filter"):
        return False
    return any(fnmatchcase(name, p) for names in matching(INPUTS, file) for p in names)


def reason_to_skip(file: str, name: str) -> str | None:
    """Why nothing compares with this array; None if something must."""
    for reasons in matching(SKIPPED, file):
        for pattern, reason in reasons.items():
            if fnmatchcase(name, pattern):
                return reason
    return None
