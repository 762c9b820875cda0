"""Stages as Ray jobs: submitted, followed, stopped."""
