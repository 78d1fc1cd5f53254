"""Transfer: an encoder of one data set is fine-tuned on another (STARS, section 4.3, Table 4)."""

from __future__ import annotations

from pathlib import Path

from stars_infer.errors import UsageError
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.finetune import FinetuneSettings, finetune_result
from stars_infer.train.protocols.results import Result
from stars_infer.train.protocols.task import Task


def transfer(measured: MeasuredEncoder, task: Task, *, how: FinetuneSettings) -> Result:
    """Fine-tune an encoder on another data set than its own; the result names both.

    Args:
        measured: The encoder.
        task: Clips of the other data set.
        how: Recipe, folder and machine of the fine-tuning.

    Raises:
        UsageError: If the encoder has no data set of its own, or it is the same.
        TrainingStoppedError: If a signal ended the training.
    """
    if measured.config is None:
        raise UsageError("random weights come from no data set; use `stars train eval finetune`")
    source = measured.source_data or Path(measured.config.data).name
    if source == task.data:
        raise UsageError(
            f"{measured.run} was itself trained on {source}: name another pack with --data, or "
            "use `stars train eval finetune`"
        )
    return finetune_result("transfer", measured, task, how=how, source=source)
