"""Training methods, one per file: modules whose forward pass gives the loss of a step."""

from stars_infer.train.methods.classifier import Classifier
from stars_infer.train.methods.dino import Dino
from stars_infer.train.methods.dtw_distillation import DTWDistillation
from stars_infer.train.methods.kernel_distillation import KernelDistillation
from stars_infer.train.methods.mae import Mae
from stars_infer.train.methods.mamp import Mamp
from stars_infer.train.methods.mamp_nnclr import MampNnclr
from stars_infer.train.methods.method import Method
from stars_infer.train.methods.moco import Moco
from stars_infer.train.methods.nnclr import Nnclr
from stars_infer.train.methods.skeattnclr import SkeAttnClr
from stars_infer.train.methods.skeleton2vec import Skeleton2vec
from stars_infer.train.methods.stars import HeadInit, Stars

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Mamp,
        Mae,
        Skeleton2vec,
        Nnclr,
        SkeAttnClr,
        Stars,
        HeadInit,
        MampNnclr,
        Moco,
        Dino,
        DTWDistillation,
        KernelDistillation,
        Classifier,
    )
}
"""Every method by its name in recipes and checkpoints."""
