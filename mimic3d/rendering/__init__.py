"""Light along rays through tri-planes; no GAN in sight."""
