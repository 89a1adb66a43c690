"""Former names of settings, so that an error can name the new one."""

RENAMED = {
    "data.split": "data.fold",
    "data.workers": "data.num_workers",
    "data.crop.jitter": "data.crop.box_jitter",
    "data.tubes.nobody": "data.tubes.no_person",
    "data.augment.mirror": "data.augment.hflip, a probability (true is 0.5, false is 0)",
    "data.augment.color": "data.augment.color_jitter",
    "eval.clips": "eval.num_clips",
    "eval.crops": "eval.num_crops",
    "train.accumulate": "train.grad_accum_steps",
    "train.evaluate_every": "train.eval_interval",
    "train.out": "train.output_dir",
}
"""Old dotted name to new dotted name."""
