"""Prepared datasets: Parquet shards, their manifest, and what reads them."""
