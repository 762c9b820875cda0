"""`mimic3d render picture`: the picture that the viewer shows."""

import argparse
from pathlib import Path

import torch

from mimic3d.atomic import atomic_file
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_snapshot, read_meta
from tools.view.saving import save_picture
from tools.view.settings import parse_query
from tools.view.snapshots import dataset_labels
from tools.view.subject import Subject


def render_picture(G: Generator, args: argparse.Namespace) -> None:
    """Picture of the viewer, as its button `link and command` tells it."""
    subjects = [_subject(G, args.snapshot)]
    if args.compare is not None:
        other = load_snapshot(args.compare).to(subjects[0].device)
        other.backend = G.backend
        subjects.append(_subject(other, args.compare))
    with atomic_file(args.out) as tmp:
        save_picture(tuple(subjects), parse_query(args.settings), tmp)


def _subject(G: Generator, snapshot: Path) -> Subject:
    meta = read_meta(snapshot)
    labels = dataset_labels(snapshot, meta.dataset_fingerprint)
    return Subject(G, torch.tensor([meta.average_label]), labels)
