"""Mimic3D-open: strictly 3D-consistent image generators by 3D-to-2D imitation.

Sources that docstrings cite by these keys:
    Mimic3D    Chen, Deng, Wang: Thriving 3D-Aware GANs via 3D-to-2D Imitation, ICCV 2023.
    EG3D       Chan et al.: Efficient Geometry-aware 3D Generative Adversarial Networks, CVPR 2022.
    StyleGAN2  Karras et al.: Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020.
    ADA        Karras et al.: Training GANs with Limited Data, NeurIPS 2020.
    NeRF       Mildenhall et al.: Representing Scenes as Neural Radiance Fields, ECCV 2020.
    LPIPS      Zhang et al.: The Unreasonable Effectiveness of Deep Features, CVPR 2018.

Axis letters in shapes:
    n images, c channels, h w rows and columns, r rays, s samples on a ray, m points, l layers of
    ws, 3 planes or xyz or rgb; rare axes are words (z_dim).

Conventions:
    Cameras are OpenCV (x right, y down, z forward), stored camera to world; the world has y up and
    z out of a face towards a frontal camera. Intrinsics are normalised by the image width. Images
    are in [-1, 1]. Depth is distance along the unit ray. Tri-planes are ordered xy, yz, zx.

Read in this order:
    cameras, rays, rendering (light along rays), networks (tensors to tensors), losses, training,
    metrics. Each floor imports only from the floors below it.
"""
