"""Prepared datasets: Parquet shards, their manifest, and their readers."""
