"""Goes on with a converted checkpoint as diffusers' train_unconditional.py does, for a few given batches.

    python accelerate_steps.py CHECKPOINT BATCHES STEPS OUTPUT

CHECKPOINT is what accelerate_checkpoint.py wrote; BATCHES holds the tensors `noisy`, `noise` and `timesteps`, a batch a
row; OUTPUT gets the checkpoint after STEPS steps. Without Accelerate, torch alone loads and saves its files.
"""
import os, sys
import torch
from diffusers import UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file

folder, batches, steps, output = sys.argv[1], load_file(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
# Other numbers than the run's: what counts has to come from the files.
model = UNet2DModel.from_config(os.path.join(folder, "unet"))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.5)
schedule = get_scheduler("constant", optimizer)
average = EMAModel.from_pretrained(os.path.join(folder, "unet_ema"), UNet2DModel)

try:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)

    def save_models(models, weights, directory):
        for unet in models:
            unet.save_pretrained(os.path.join(directory, "unet"))
            weights.pop()

    def load_models(models, directory):
        for _ in range(len(models)):
            unet = models.pop()
            loaded = UNet2DModel.from_pretrained(directory, subfolder="unet")
            unet.load_state_dict(loaded.state_dict())

    accelerator.register_save_state_pre_hook(save_models)
    accelerator.register_load_state_pre_hook(load_models)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    accelerator.load_state(folder)
    print("with Accelerate")
except ImportError:
    accelerator = None
    model.load_state_dict(UNet2DModel.from_pretrained(folder, subfolder="unet").state_dict())
    optimizer.load_state_dict(torch.load(os.path.join(folder, "optimizer.bin"), weights_only=True))
    schedule.load_state_dict(torch.load(os.path.join(folder, "scheduler.bin"), weights_only=True))
    print("with torch alone")

model.train()
for k in range(steps):
    predicted = model(batches["noisy"][k], batches["timesteps"][k], return_dict=False)[0]
    torch.nn.functional.mse_loss(predicted, batches["noise"][k]).backward()
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    average.step(model.parameters())

os.makedirs(output, exist_ok=True)
if accelerator:
    accelerator.save_state(output)
else:
    model.save_pretrained(os.path.join(output, "unet"))
    torch.save(optimizer.state_dict(), os.path.join(output, "optimizer.bin"))
average.save_pretrained(os.path.join(output, "unet_ema"))
