"""The renderer in fused kernels: every sample is read, decoded and composited in one place."""
