"""Loads a folder that emberwing saved with Python's diffusers, samples it and saves it again.

    python round_trip.py FOLDER STEPS SEED OUTPUT

OUTPUT gets `images.json` (NHWC floats, flat) and `again/`, the pipeline as diffusers writes it.
"""
import json, sys
import torch
from diffusers import DiffusionPipeline

folder, steps, seed, output = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
pipeline = DiffusionPipeline.from_pretrained(folder)
pipeline.set_progress_bar_config(disable=True)
generator = torch.Generator().manual_seed(seed)
images = pipeline(batch_size=2, generator=generator, num_inference_steps=steps, output_type="np").images
with open(f"{output}/images.json", "w") as file:
    json.dump(images.flatten().tolist(), file)
pipeline.save_pretrained(f"{output}/again")
