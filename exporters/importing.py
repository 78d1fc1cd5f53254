"""A model directory from a public checkpoint of MAMP."""

from __future__ import annotations

from pathlib import Path

from stars_infer.encoder.model import ModelInfo
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.train.checkpoint import save_checkpoint
from stars_infer.train.public_mamp import read_public_mamp


def import_mamp(
    path: Path, out: Path, *, heads: int, absent_bodies: str, crop: float, license: str
) -> ModelInfo:
    """Make a model directory, with a checkpoint for further tuning, from a public one.

    Args:
        path: The `.pth` file.
        out: The directory to make.
        heads: Attention heads, which the file does not say.
        absent_bodies: `zeros` or `present`, as it was trained.
        crop: Share kept by the center crop at use.
        license: License of the weights.

    Raises:
        ModelError: If the file is not such a checkpoint.
        ExportError: If the exported graph does not pass verification.
    """
    checkpoint = read_public_mamp(path, heads=heads, absent_bodies=absent_bodies)
    facts = {"imported_from": path.name}
    info = export_directory(checkpoint, out, ExportConfig(crop=crop, license=license, facts=facts))
    save_checkpoint(checkpoint, out)
    return info
