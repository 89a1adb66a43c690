"""Command lines that each tool's `--help` ends with, and that tests parse."""

RUN = "runs/mine"
TRAINED = f"--checkpoint {RUN}/last.pt"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "benchmark": ("call_path configs/sample_st.yaml --files", "heads --trunks lite0 --heads 0 4"),
    "check_videos": (
        "my_videos.yaml --out manifest.tsv",
        "MY_VIDEOS --out manifest.tsv --strict --workers 4",
    ),
    "colocalize": (
        "configs/paper/colocalization.yaml --out runs/common",
        "configs/paper/colocalization.yaml --out runs/common --sets T --classes 0 1",
    ),
    "compare": (
        "configs/sample_st.yaml --seeds 0 1 2 --out runs/arms",
        "configs/sample_st.yaml --out runs/loose --sweep data.crop.looseness=0,0.5,1",
    ),
    "convert_people": (
        "boxes.json --from coco --out people.sqlite --videos MY_VIDEOS",
        "people.sqlite --from sqlite --to csv --out boxes",
    ),
    "demo": ("", "--out runs/demo1 --seed 1"),
    "describe": (
        "torchvision/r2plus1d_18",
        "pytorchvideo/x3d_s data.crop.size=224 --json",
        "python:my_network.py:build data.crop.size=112",
    ),
    "detect_people": (
        "my_videos.yaml --out people.sqlite",
        "MY_VIDEOS --out people.sqlite --detector onnx:yolox_nano.onnx --every 5 --workers 4",
        "--merge people_a.sqlite people_b.sqlite --out people.sqlite",
    ),
    "doctor": ("",),
    "draw_transforms": ("--out runs/transforms", "video.mp4 --frame 40 --out runs/transforms"),
    "evaluate": (
        TRAINED,
        f"{TRAINED} eval.num_clips=4 eval.num_crops=1 --out runs/fewer_views",
        f"{TRAINED} --sweep data.crop.looseness=0,0.25,1",
    ),
    "export": (f"{TRAINED} --to onnx", f"{TRAINED} --to safetensors --out mine.safetensors"),
    "faithfulness": (RUN, f"{RUN}/last.pt --area 0.1 --out runs/masked"),
    "init": ("MY_VIDEOS", "MY_VIDEOS --detector none --out configs/mine.yaml"),
    "learning_curves": ("runs/probe_10 runs/probe_40 runs/probe_200 --out runs/curves.png",),
    "make_sample": (
        "--out data/sample",
        "--out data/signs --region-share 1/25 --distractors 3 --clips-per-class 40 20",
    ),
    "phase_diagram": (
        "configs/phase.yaml --out runs/phase",
        "configs/phase.yaml --out runs/phase --regions 1/9 1/25 --clips 10 40 --seeds 0",
    ),
    "predict": (
        f"{TRAINED} video.mp4",
        f"{TRAINED} MY_VIDEOS --top 1 --json data.people=people.sqlite",
        f"{TRAINED} long.mp4 --people onnx:yolox_nano.onnx --out runs/timeline",
    ),
    "prepare_data": ("--list", "ucf101 --root data/ucf101", "ucf101 --root data/ucf101 --check"),
    "preview": (
        "my_videos.yaml --out runs/preview",
        "MY_VIDEOS --out runs/preview --limit 3 data.crop.size=160",
    ),
    "probe": (
        "configs/weizmann_st.yaml --out runs/probe",
        "configs/weizmann_st.yaml --readouts mean,tiles,windows --seeds 0 --out runs/probe",
    ),
    "reencode_videos": (
        "MY_VIDEOS --out small --short-side 256",
        "my_videos.yaml --crop-people people.sqlite --margin 0.5 --out small",
    ),
    "stress": ("kill --kills 5", "damage --videos 100"),
    "train": (
        "configs/ucf101_st.yaml",
        "my_videos.yaml optim.lr=0.005 train.epochs=20 train.output_dir=runs/mine",
        "my_videos.yaml train.output_dir=runs/mine --resume",
    ),
    "visualize": (
        f"{TRAINED} test --out runs/images",
        f"{TRAINED} video.mp4 --out runs/images --no-mp4",
    ),
    "write_reference": ("", "--root ."),
}
"""A tool's file name to the arguments of its examples; most useful first."""


def examples_text(tool: str, program: str) -> str:
    """Return the end of a tool's help.

    Args:
        tool: its file name without the suffix.
        program: how it was started: "stn-action train" or the path of a file.
    """
    start = program if program.startswith("stn-action ") else f"python tools/{tool}.py"
    return "\n".join(["examples:", *(f"  {start} {line}".rstrip() for line in EXAMPLES[tool])])
