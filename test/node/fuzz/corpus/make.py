"""The files that fuzzing starts from: small, and one for each way of writing them.

    python test/node/fuzz/corpus/make.py
"""

import io
import zipfile
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
from PIL import Image

HERE = Path(__file__).parent


def picture(seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 256, (4, 4, 3), numpy.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def parquet() -> None:
    images = [picture(seed) for seed in range(4)]
    structs = pyarrow.table(
        {
            "image": [{"bytes": image, "path": f"{index}.png"} for index, image in enumerate(images)],
            "label": pyarrow.array([0, 1, 1, 0], pyarrow.int64()),
        },
        metadata={"huggingface": '{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}'},
    )
    plain = pyarrow.table({"image": pyarrow.array(images, pyarrow.binary()), "label": ["x", "y", "x", None]})
    lists = pyarrow.table({"image": pyarrow.array([images[:2], [], None, images[2:]], pyarrow.list_(pyarrow.binary())), "label": [True, False, True, None]})
    write = pyarrow.parquet.write_table
    folder = HERE / "parquet"
    for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        write(structs, folder / f"structs-{codec}.parquet", compression=codec)
    write(plain, folder / "plain.parquet", compression="none", use_dictionary=False)
    write(plain, folder / "pages-v2.parquet", data_page_version="2.0", compression="snappy")
    write(plain, folder / "row-groups.parquet", row_group_size=1, compression="none")
    write(lists, folder / "lists.parquet", compression="none")
    encodings = {"image": "DELTA_LENGTH_BYTE_ARRAY", "label": "DELTA_BYTE_ARRAY"}
    write(plain, folder / "delta.parquet", use_dictionary=False, column_encoding=encodings, compression="none")
    numbers = structs.select(["label"]).append_column("image", plain["image"])
    encodings = {"image": "DELTA_BYTE_ARRAY", "label": "DELTA_BINARY_PACKED"}
    write(numbers, folder / "delta-numbers.parquet", use_dictionary=False, column_encoding=encodings, compression="none")


def zips() -> None:
    files = {
        "model_index.json": b'{"_class_name": "DDPMPipeline"}',
        "unet/config.json": b'{"sample_size": 8}' * 20,
        "scheduler/scheduler_config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": bytes(range(256)),
    }

    def write(name: str, method: int, prefix: str = "", comment: bytes = b"", zip64: bool = False) -> None:
        with zipfile.ZipFile(HERE / "zip" / name, "w", method) as archive:
            archive.comment = comment
            for path, content in files.items():
                info = zipfile.ZipInfo(prefix + path)
                info.compress_type = method
                with archive.open(info, "w", force_zip64=zip64) as file:
                    file.write(content)

    write("stored.zip", zipfile.ZIP_STORED)
    write("deflated.zip", zipfile.ZIP_DEFLATED, comment=b"a comment")
    write("in-folder.zip", zipfile.ZIP_DEFLATED, prefix="m\u00fc/")
    write("zip64.zip", zipfile.ZIP_DEFLATED, zip64=True)


parquet()
zips()
