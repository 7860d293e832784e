"""Random sizes, rectangles and file formats, decoded and resized by Pillow: writes test/fixtures/pillow/cases.json.

    python -m venv venv && venv/bin/pip install pillow==11.3.0 && venv/bin/python scripts/make_pillow_cases.py
"""
import base64
import hashlib
import io
import json
import pathlib
import random

import PIL
from PIL import Image, features

SEED = 20261124


def noise(seed: int, count: int) -> bytes:
    """Bytes of a linear congruential generator, which the TypeScript side draws too: noise is the hardest to resize."""
    out = bytearray(count)
    state = seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return bytes(out)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def resize_cases(draw: random.Random) -> list[dict]:
    cases = []
    for number in range(420):
        large = number >= 410
        width, height = (draw.randint(1, 500 if large else 90) for _ in range(2))
        out_width, out_height = (384, 384) if large else (draw.randint(1, 110), draw.randint(1, 110))
        if number % 5 == 1:
            out_width = width  # one axis keeps its size
        whole = number % 4 == 0
        top, left = (0, 0) if whole else (draw.randrange(height), draw.randrange(width))
        crop_height = height if whole else draw.randint(1, height - top)
        crop_width = width if whole else draw.randint(1, width - left)
        seed = draw.randrange(2**32)
        image = Image.frombytes("RGB", (width, height), noise(seed, width * height * 3))
        part = image.crop((left, top, left + crop_width, top + crop_height))
        done = part.resize((out_width, out_height), Image.Resampling.BICUBIC)
        cases.append(
            {
                "seed": seed,
                "size": [width, height],
                "crop": [top, left, crop_height, crop_width],
                "out": [out_width, out_height],
                "sha": sha(done.tobytes()),
            }
        )
    return cases


def picture(draw: random.Random, mode: str) -> Image.Image:
    """A small picture of blurred noise with a hard edge: odd sizes show how chroma and blocks are cut."""
    width, height = draw.randint(1, 47), draw.randint(1, 47)
    coarse = Image.frombytes("RGB", (5, 4), noise(draw.randrange(2**32), 60)).resize((width, height), Image.Resampling.BILINEAR)
    box = (width // 3, height // 4, max(width // 3, width // 2), max(height // 4, height * 3 // 4))
    coarse.paste((draw.randrange(256), draw.randrange(256), draw.randrange(256)), box)
    if mode in ("RGBA", "LA"):
        alpha = Image.frombytes("L", (3, 3), noise(draw.randrange(2**32), 9)).resize((width, height))
        coarse.putalpha(alpha)
    return coarse.convert(mode)


def decode_cases(draw: random.Random) -> list[dict]:
    kinds: list[tuple[str, str, dict]] = []
    for mode in ("RGB", "L", "CMYK"):
        for quality in (10, 50, 75, 92, 100):
            for subsampling in (0, 1, 2):
                if mode == "L" and subsampling > 0:
                    continue
                for progressive in (False, True):
                    kinds.append(("JPEG", mode, {"quality": quality, "subsampling": subsampling, "progressive": progressive}))
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        kinds += [("PNG", mode, {"optimize": optimize}) for optimize in (False, True)]
    kinds += [("WEBP", mode, {"quality": quality}) for mode in ("RGB", "RGBA") for quality in (20, 80)]
    kinds += [("WEBP", mode, {"lossless": True, "exact": True}) for mode in ("RGB", "RGBA")]
    kinds += [("GIF", mode, {}) for mode in ("P", "L")]
    kinds += [("TIFF", mode, {"compression": how}) for mode in ("RGB", "L") for how in ("raw", "tiff_lzw", "tiff_adobe_deflate")]
    cases = []
    for kind, mode, options in kinds:
        for _ in range(2):
            file = io.BytesIO()
            picture(draw, mode).save(file, kind, **options)
            decoded = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
            cases.append(
                {
                    "what": " ".join([kind, mode, *(f"{key}={value}" for key, value in options.items())]),
                    "file": base64.b64encode(file.getvalue()).decode(),
                    "size": list(decoded.size),
                    "sha": sha(decoded.tobytes()),
                }
            )
    return cases


def main() -> None:
    draw = random.Random(SEED)
    libraries = {name: features.version(name) for name in ("libjpeg_turbo", "webp", "zlib")}
    cases = {
        "made": {"pillow": PIL.__version__, "seed": SEED, **libraries},
        "resize": resize_cases(draw),
        "decode": decode_cases(draw),
    }
    rows = [json.dumps(cases["made"]), *(
        "[\n" + ",\n".join(json.dumps(case) for case in cases[name]) + "\n]" for name in ("resize", "decode")
    )]
    target = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "pillow" / "cases.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text('{"made": %s,\n"resize": %s,\n"decode": %s}\n' % tuple(rows))


if __name__ == "__main__":
    main()
