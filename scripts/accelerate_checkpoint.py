"""Takes a training run from emberwing to Accelerate, on which diffusers' train_unconditional.py stands, and back.

    python accelerate_checkpoint.py to-accelerate   my_run/checkpoint-500 ddpm-model/checkpoint-500
    python accelerate_checkpoint.py from-accelerate ddpm-model/checkpoint-900 my_run/checkpoint-900

Then go on with `train_unconditional.py --output_dir ddpm-model --resume_from_checkpoint latest`, or with
`emberwing train --output-dir my_run --resume-from-checkpoint latest`. Needs torch, diffusers and safetensors.

Weights (`unet/`), their average (`unet_ema/`), AdamW's moments, the number of steps and the learning rate cross.
Random states do not: the two programs draw in different orders, so the order of the pictures starts anew.
"""
import argparse, hashlib, json, os, shutil
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

MODELS = ("unet", "unet_ema")
MOMENTS = ("exp_avg", "exp_avg_sq")


def parameter_names(checkpoint):
    """In the order in which torch's optimizers number them."""
    model = UNet2DModel.from_pretrained(os.path.join(checkpoint, "unet"))
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def optimizer_state(tensors, names, options):
    """What `torch.optim.AdamW.load_state_dict` takes, from the tensors of emberwing's optimizer.safetensors."""
    step = tensors["step"].float()
    state = {
        index: {"step": step.clone(), **{key: tensors[f"{name}.{key}"] for key in MOMENTS}}
        for index, name in enumerate(names)
        if f"{name}.exp_avg" in tensors
    }
    group = dict(
        lr=options.get("learningRate", 1e-4),
        betas=(options.get("adamBeta1", 0.9), options.get("adamBeta2", 0.999)),
        eps=options.get("adamEpsilon", 1e-8),
        weight_decay=options.get("adamWeightDecay", 1e-2),
        amsgrad=False, maximize=False, foreach=None, capturable=False, differentiable=False, fused=None,
        initial_lr=options.get("learningRate", 1e-4),
        params=list(range(len(names))),
    )
    return {"state": state, "param_groups": [group]}


def schedule_state(step, learning_rate):
    """The state of the LambdaLR that diffusers' `get_scheduler` makes, after `step` steps."""
    return {
        "base_lrs": [learning_rate], "last_epoch": step, "_step_count": step + 1, "_last_lr": [learning_rate],
        "_get_lr_called_within_step": False, "_is_initial": False, "lr_lambdas": [None],
    }


def copy_models(source, target):
    for name in MODELS:
        if os.path.isdir(os.path.join(source, name)):
            shutil.copytree(os.path.join(source, name), os.path.join(target, name), dirs_exist_ok=True)


def to_accelerate(source, target):
    copy_models(source, target)
    tensors = load_file(os.path.join(source, "optimizer.safetensors"))
    with open(os.path.join(source, "trainer_state.json")) as file:
        options = json.load(file).get("options") or {}
    state = optimizer_state(tensors, parameter_names(source), options)
    torch.save(state, os.path.join(target, "optimizer.bin"))
    schedule = schedule_state(int(tensors["step"].item()), state["param_groups"][0]["initial_lr"])
    torch.save(schedule, os.path.join(target, "scheduler.bin"))


def from_accelerate(source, target):
    copy_models(source, target)
    state = torch.load(os.path.join(source, "optimizer.bin"), map_location="cpu", weights_only=True)["state"]
    names = parameter_names(source)
    tensors = {f"{names[i]}.{key}": entry[key].float().contiguous() for i, entry in state.items() for key in MOMENTS}
    step = max((int(entry["step"]) for entry in state.values()), default=0)
    tensors["step"] = torch.tensor(float(step))
    save_file(tensors, os.path.join(target, "optimizer.safetensors"))
    with open(os.path.join(target, "trainer_state.json"), "w") as file:
        json.dump({"progress": {"step": step}}, file)
    write_manifest(target, step)


def write_manifest(folder, step):
    """The list of files by which emberwing tells a whole checkpoint from one that was cut off."""
    files = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                content = file.read()
            key = os.path.relpath(path, folder).replace(os.sep, "/")
            files[key] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files.pop("checkpoint.json", None)
    with open(os.path.join(folder, "checkpoint.json"), "w") as file:
        json.dump({"step": step, "files": files}, file, indent=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("direction", choices=["to-accelerate", "from-accelerate"])
    parser.add_argument("source", help="a checkpoint-<step> folder")
    parser.add_argument("target", help="the folder to write")
    arguments = parser.parse_args()
    os.makedirs(arguments.target, exist_ok=True)
    convert = to_accelerate if arguments.direction == "to-accelerate" else from_accelerate
    convert(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
