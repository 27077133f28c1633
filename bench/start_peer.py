"""A program that loads a small pipeline and takes one denoising step. `start-ours.mjs` is its twin."""
import sys

from diffusers import DDPMPipeline

pipeline = DDPMPipeline.from_pretrained(sys.argv[1])
pipeline.set_progress_bar_config(disable=True)
pipeline(batch_size=1, num_inference_steps=1)
