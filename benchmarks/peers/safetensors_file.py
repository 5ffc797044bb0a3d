# SPDX-License-Identifier: MIT
"""safetensors files of numpy arrays, written so that the same arrays give the same bytes (the
package of that name orders its metadata differently each time)."""
import json
import os

import numpy as np

NAMES = {"F64": np.float64, "F32": np.float32, "U32": np.uint32}


def write(path, arrays, metadata):
    """Widest type first, so that every array is aligned; the old file is replaced at once."""
    header, end = {"__metadata__": {k: str(v) for k, v in sorted(metadata.items())}}, 0
    order = sorted(arrays, key=lambda k: (-arrays[k].itemsize, k))
    for key in order:
        x = arrays[key]
        name = next(n for n, t in NAMES.items() if x.dtype == t)
        header[key] = {"dtype": name, "shape": list(x.shape), "data_offsets": [end, end + x.nbytes]}
        end += x.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for key in order:
            f.write(arrays[key].tobytes())
    os.replace(path + ".part", path)


def read(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    return {key: np.frombuffer(data[slice(*a["data_offsets"])], NAMES[a["dtype"]]).reshape(a["shape"])
            for key, a in header.items() if key != "__metadata__"}
