"""The peer's side: reads tasks, one line of JSON each, and does them with diffusers on PyTorch. `ours.mjs` is its twin."""
import json
import resource
import sys
import time

import diffusers
import torch

AUTOCAST = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")


def train(unet, shape):
    """The course's loop: noise, timesteps, loss, gradients, AdamW."""
    clean = torch.rand(shape, device=unet.device)
    unet.train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=4e-4)

    def step():
        noise = torch.randn(shape, device=unet.device)
        timesteps = torch.randint(0, 1000, shape[:1], device=unet.device)
        sample = scheduler.add_noise(clean, noise, timesteps)
        loss = torch.nn.functional.mse_loss(unet(sample, timesteps, return_dict=False)[0].float(), noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return step


def denoise(unet, shape):
    """The model, then the scheduler, down the thousand timesteps."""
    sample = torch.randn(shape, device=unet.device)
    unet.eval()
    scheduler.set_timesteps(1000)
    timesteps = iter(scheduler.timesteps)

    @torch.inference_mode()
    def step():
        nonlocal sample
        t = next(timesteps)
        sample = scheduler.step(unet(sample, t).sample.float(), t, sample).prev_sample
        if unet.device.type == "cuda":
            torch.cuda.synchronize()

    return step


class Autocast(torch.nn.Module):
    """A model whose products are of half the size, as training scripts do it."""

    def __init__(self, unet, dtype):
        super().__init__()
        self.unet, self.dtype, self.device = unet, dtype, unet.device

    def forward(self, *args, **options):
        with torch.autocast(self.device.type, dtype=self.dtype):
            return self.unet(*args, **options)


def prepare(task, model, batch, threads, device, dtype):
    torch.set_num_threads(threads)
    # Full float32, as we compute it; and the fastest algorithm that cuDNN finds.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    unet = diffusers.UNet2DModel(**model).to(device)
    if AUTOCAST[dtype]:
        unet = Autocast(unet, AUTOCAST[dtype])
    shape = (batch, 3, model["sample_size"], model["sample_size"])
    return {"train": train, "denoise": denoise}[task](unet, shape)


def peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main():
    step = None
    for line in sys.stdin:
        request = json.loads(line)
        action = request.pop("action")
        answer = {}
        if action == "prepare":
            step = prepare(**request)
        elif action == "step":
            start = time.perf_counter()
            step()
            answer["seconds"] = time.perf_counter() - start
        elif action == "memory":
            answer["bytes"] = peak_bytes()
        print(json.dumps(answer), flush=True)


main()
