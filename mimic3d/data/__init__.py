"""Prepared datasets: Parquet shards, their manifest, and what makes and reads them."""
