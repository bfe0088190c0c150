#!/usr/bin/env python3
"""Packs a directory into an image archive without a container build.

usage: pack_image.py NAME:TAG DIRECTORY OUT.tar [--entrypoint JSON] [--user UID]

The result is a single-layer OCI archive for `ctr images import`. Equal input gives an equal archive: no times, everything owned by root.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import tarfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())  # as images name it
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def anonymous(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry


def layer_of(directory):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in sorted(os.listdir(directory)):
            layer.add(os.path.join(directory, name), arcname=name, filter=anonymous)
    return data.getvalue()


def config_of(layer, entrypoint, user):
    config = {"Env": ["PATH=/"]}
    if entrypoint:
        config["Entrypoint"] = json.loads(entrypoint)
    if user:
        config["User"] = user
    rootfs = {"type": "layers", "diff_ids": [digest(layer)]}
    return json.dumps({"architecture": ARCHITECTURE, "os": "linux", "config": config, "rootfs": rootfs}).encode()


def descriptor(kind, data):
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def manifest_of(config, layer):
    return json.dumps({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }).encode()


def index_of(name, manifest):
    entry = descriptor(MANIFEST, manifest) | {
        "platform": {"architecture": ARCHITECTURE, "os": "linux"},
        "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]},
    }
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}).encode()


def write_archive(path, name, config, layer):
    manifest = manifest_of(config, layer)
    members = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index_of(name, manifest))]
    members += [("blobs/sha256/" + digest(blob)[7:], blob) for blob in (config, layer, manifest)]
    with tarfile.open(path, "w") as archive:
        for member, data in members:
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("name", "directory", "out"):
        arguments.add_argument(name)
    for name in ("--entrypoint", "--user"):
        arguments.add_argument(name)
    given = arguments.parse_args()
    layer = layer_of(given.directory)
    write_archive(given.out, given.name, config_of(layer, given.entrypoint, given.user), layer)


main()
