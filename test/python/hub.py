"""huggingface_hub beside emberwing: python hub.py COMMAND, with the environment of the test."""

import os
import sys

# Read when the module is loaded: the server has plain uploads alone.
os.environ["HF_HUB_DISABLE_XET"] = "1"

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache

command, *arguments = sys.argv[1:]
REPO = "owner/name"

if command == "find":
    # What emberwing downloaded is in the cache, without a network.
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    for path in arguments:
        found = try_to_load_from_cache(REPO, path)
        assert isinstance(found, str), f"{path}: {found}"
        with open(found, "rb") as file:
            assert len(file.read()) > 0, path
    folder = snapshot_download(REPO)
    assert sorted(os.listdir(folder)) == ["model_index.json", "scheduler", "unet"], os.listdir(folder)
elif command == "download":
    # The loopback server is one that huggingface_hub can read.
    (commit,) = arguments
    folder = snapshot_download(REPO)
    assert os.path.basename(folder) == commit, folder
elif command == "push":
    # ... and write to.
    api = HfApi()
    api.create_repo("owner/pushed", private=True)
    (folder,) = arguments
    info = api.upload_folder(repo_id="owner/pushed", folder_path=folder)
    print(info.oid)
elif command == "card":
    from huggingface_hub import ModelCard

    (path,) = arguments
    card = ModelCard.load(path)
    data = card.data.to_dict()
    assert data["license"] == "mit" and data["library_name"] == "diffusers", data
    assert {"diffusers", "emberwing", "unconditional-image-generation", "a: b"} <= set(data["tags"]), data
else:
    raise SystemExit(f"unknown command {command}")
