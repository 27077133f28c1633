"""The first inputs of the fuzz targets: small valid files of every kind that a target reads, beside what was found since.

    python make.py        # needs torch, safetensors and Pillow; writes corpus/<target>/seed-*
"""
import io
import json
import os
import zipfile

import torch
from PIL import Image
from safetensors.torch import save

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures")
torch.manual_seed(0)


def seed(target, name, content):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"seed-{name}"), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def torch_file(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def without_compression_padding(content):
    """torch aligns every entry to 64 bytes, which only makes inputs longer."""
    source, out = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return out.getvalue()


def weights():
    small = {"conv_in.weight": torch.randn(2, 1, 1, 1), "conv_in.bias": torch.zeros(2)}
    for dtype in ("float32", "float16", "bfloat16", "float64", "int64", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"):
        values = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
        seed("weights", f"safetensors-{dtype}", save({"a": values, "b": values[:1].clone()}))
    seed("weights", "safetensors-metadata", save(small, metadata={"format": "pt"}))
    shared = torch.randn(4, 4)
    states = {
        "plain": small,
        "strided": {"t": shared.t(), "part": shared[1:3, ::2]},
        "half": {"h": shared.half()},
        "parameter": {"p": torch.nn.Parameter(torch.ones(3))},
        "module": torch.nn.Conv2d(1, 2, 1).state_dict(),
        "beside": {"step": 3, "name": "x", "nested": {"w": torch.ones(2)}, "list": [1, 2.5, None, True], **small},
    }
    for name, state in states.items():
        seed("weights", f"bin-{name}", without_compression_padding(torch_file(state)))
        seed("weights", f"old-bin-{name}", torch_file(state, _use_new_zipfile_serialization=False))


def configs():
    seed("json", "values", json.dumps({"a": [1, -2.5e-7, None, True, "é\n\\\u2028", {"b": {}}]}))
    seed("json", "python", '{"nan": NaN, "inf": Infinity, "minus": -Infinity, "tuple": [[1, 2], []]}')
    for folder in ("base", "class_table", "attn_resnet"):
        with open(os.path.join(FIXTURES, "unet2d", folder, "config.json")) as file:
            text = file.read()
        seed("config", f"model-{folder}", text)
        seed("json", f"model-{folder}", text)
    import diffusers

    for name in ("DDPMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "UniPCMultistepScheduler"):
        seed("config", name, getattr(diffusers, name)().to_json_string())
    index = {"metadata": {"total_size": 24}, "weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}
    seed("config", "shards", json.dumps(index))


def images():
    source = Image.radial_gradient("L").resize((19, 14)).convert("RGB")
    source.putpixel((3, 4), (250, 10, 20))

    def put(name, image, form, **options):
        out = io.BytesIO()
        image.save(out, form, **options)
        seed("image", name, out.getvalue())

    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"):
        image = source.convert("L").convert("I").convert("I;16") if mode == "I;16" else source.convert(mode)
        put(f"png-{mode.replace(';', '')}", image, "PNG")
    for sampling in (0, 1, 2):
        put(f"jpeg-{sampling}", source, "JPEG", subsampling=sampling, quality=80)
    put("jpeg-progressive", source, "JPEG", progressive=True)
    put("jpeg-grey", source.convert("L"), "JPEG")
    put("jpeg-cmyk", source.convert("CMYK"), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    put("jpeg-exif", source, "JPEG", exif=exif)
    put("webp-lossy", source, "WEBP")
    put("webp-lossless", source.convert("RGBA"), "WEBP", lossless=True)
    put("gif", source.convert("P"), "GIF")
    put("gif-animated", source.convert("P"), "GIF", save_all=True, append_images=[source.rotate(90).convert("P")])
    put("bmp", source, "BMP")
    put("bmp-palette", source.convert("P"), "BMP")
    put("tiff", source, "TIFF")
    put("tiff-deflate", source, "TIFF", compression="tiff_deflate")


weights()
configs()
images()
