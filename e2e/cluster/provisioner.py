#!/usr/bin/env python3
"""A volume provisioner for the local cluster's storage class (provisioner `k8s.local/path`).

usage: provisioner.py KUBECONFIG DIRECTORY NODE

Makes a `local` volume, a directory open to all, for each pending claim; removes released ones; grows the volume when its claim grows. Sizes are
not enforced. A claim annotated `k8s.local/no-provision=true` stays pending, for tests.
"""

import base64
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

PROVISIONER = "k8s.local/path"
BY = "pv.kubernetes.io/provisioned-by"
UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Api:
    """The few requests that are needed, with the kubeconfig's client certificate."""

    def __init__(self, kubeconfig):
        view = subprocess.check_output(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"])
        config = json.loads(view)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w") as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]).decode())
            pair.flush()
            context.load_cert_chain(pair.name)
        self.server = cluster["server"]
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        self.opener = urllib.request.build_opener(*handlers)

    def request(self, method, path, body=None, kind="application/json"):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, method=method, data=data, headers={"Content-Type": kind})
        with self.opener.open(request, timeout=20) as answer:
            return json.loads(answer.read())

    def items(self, path):
        return self.request("GET", path)["items"]

    def merge(self, path, body):
        self.request("PATCH", path, body, "application/merge-patch+json")


def amount(quantity):
    number, unit = re.match(r"^([0-9.]+)([A-Za-z]*)$", quantity).groups()
    return float(number) * UNITS[unit]


def annotations(thing):
    return thing["metadata"].get("annotations") or {}


def volume(name, claim, storage_class, directory, node):
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": spec["storageClassName"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | {key: meta[key] for key in ("namespace", "name", "uid")},
            "local": {"path": directory},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }


class Provisioner:
    def __init__(self, api, root, node):
        self.api, self.root, self.node = api, root, node

    def wanted(self, claim, classes):
        storage_class = classes.get(claim["spec"].get("storageClassName") or "")
        if claim["metadata"].get("deletionTimestamp") or annotations(claim).get("k8s.local/no-provision") == "true":
            return None
        return storage_class

    def provision(self, claim, storage_class, volumes):
        late = storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
        name = "pvc-" + claim["metadata"]["uid"]
        if name in volumes or (late and not annotations(claim).get("volume.kubernetes.io/selected-node")):
            return
        directory = os.path.join(self.root, name)
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o777)
        self.api.request("POST", "/api/v1/persistentvolumes", volume(name, claim, storage_class, directory, self.node))
        print("provisioned", claim["metadata"]["namespace"], claim["metadata"]["name"], name, flush=True)

    def grow(self, claim):
        meta, size = claim["metadata"], claim["spec"]["resources"]["requests"]["storage"]
        self.api.merge("/api/v1/persistentvolumes/" + claim["spec"]["volumeName"], {"spec": {"capacity": {"storage": size}}})
        path = f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}/status"
        self.api.merge(path, {"status": {"capacity": {"storage": size}, "conditions": None}})
        print("grew", meta["namespace"], meta["name"], size, flush=True)

    def serve(self, claim, storage_class, volumes):
        spec, status = claim["spec"], claim.get("status", {})
        size = spec["resources"]["requests"]["storage"]
        if not spec.get("volumeName") and status.get("phase") == "Pending":
            self.provision(claim, storage_class, volumes)
        elif status.get("phase") == "Bound" and storage_class.get("allowVolumeExpansion"):
            if amount(size) > amount(status.get("capacity", {}).get("storage", "0")):
                self.grow(claim)

    def release(self, name, volume):
        released = volume["status"].get("phase") in ("Released", "Failed")
        if not released or annotations(volume).get(BY) != PROVISIONER or volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete":
            return
        directory = volume["spec"]["local"]["path"]
        if directory.startswith(self.root + "/pvc-"):
            shutil.rmtree(directory, ignore_errors=True)
        self.api.request("DELETE", "/api/v1/persistentvolumes/" + name)
        print("deleted", name, flush=True)

    def round(self):
        classes = {c["metadata"]["name"]: c for c in self.api.items("/apis/storage.k8s.io/v1/storageclasses") if c["provisioner"] == PROVISIONER}
        volumes = {v["metadata"]["name"]: v for v in self.api.items("/api/v1/persistentvolumes")}
        for claim in self.api.items("/api/v1/persistentvolumeclaims"):
            storage_class = self.wanted(claim, classes)
            if storage_class:
                self.serve(claim, storage_class, volumes)
        for name, found in volumes.items():
            self.release(name, found)


def main():
    kubeconfig, root, node = sys.argv[1:4]
    os.makedirs(root, exist_ok=True)
    provisioner = Provisioner(Api(kubeconfig), root, node)
    while True:
        try:
            provisioner.round()
        except Exception as error:  # the API server restarts, objects change under us: the next round sees
            print("error", error, getattr(error, "read", bytes)()[:300], flush=True)
        time.sleep(1)


main()
