"""The processes of a stage: their devices, and how they share work."""

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from mimic3d.evaluation.context import ProcessGroup


def build_accelerator() -> Accelerator:
    """The device and process group this process was given; a GPU if there is one."""
    return Accelerator(cpu=not torch.cuda.is_available())


def build_process_group(accelerator: Accelerator) -> ProcessGroup:
    """The processes of a stage, for measurements that they share."""
    return ProcessGroup(accelerator.process_index, accelerator.num_processes, gather_object)
