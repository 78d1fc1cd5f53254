"""Networks: the skeleton transformer and the decoder of its pretraining."""
