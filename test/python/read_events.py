"""Reads a TensorBoard log as TensorBoard does.

    python read_events.py FOLDER OUTPUT

OUTPUT gets JSON: for each tag its steps and values; for images the size of each.
"""
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
accumulator.Reload()
tags = accumulator.Tags()
scalars = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in tags["scalars"]}
images = {tag: [[event.step, event.width, event.height] for event in accumulator.Images(tag)] for tag in tags["images"]}
with open(sys.argv[2], "w") as file:
    json.dump(dict(scalars=scalars, images=images), file)
