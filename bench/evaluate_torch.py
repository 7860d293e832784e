"""The published evaluation's formula in PyTorch, float64 as published: the yardstick of bench/evaluate.ts. Own code of the model's description, section 3.

As published it goes through the captions one by one and scores each with all images of the block at once, scale after scale.

Usage: python evaluate_torch.py time FEATURES THREADS CAPTIONS OUT | memory IMAGES CAPTIONS THREADS
time: for every line on stdin scores the images with the first CAPTIONS captions and prints {"ms", "cpu", "peak"}; the scores go to OUT.
memory: holds the features of all images and captions as the published evaluation does, scores a few captions with all images, prints the peak.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

what = sys.argv[1]
SCALES, REGIONS, WORDS, WIDTH = 6, 577, 30, 1024


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@torch.no_grad()
def scores(regions, words, threshold=0.0):
    """Regions [B, R, E], words [W, E] of one caption -> [B]."""
    w = words.unsqueeze(0).repeat(regions.shape[0], 1, 1)
    attention = torch.bmm(w, regions.transpose(1, 2))  # [B, W, R]
    shifted = attention - threshold
    # Negative branch: the strongest region of each word, asked after its like words.
    strongest = shifted.max(-1).values
    likeness = F.softmax(5 * torch.bmm(w, w.transpose(1, 2)), -1)
    spread = torch.bmm(likeness, strongest.unsqueeze(2)).squeeze(2)
    negative = strongest * (spread < 0).to(strongest.dtype)
    # Positive branch: features.
    positive = (shifted > 0).to(attention.dtype)
    weights = torch.exp(20 * shifted * positive) * positive
    weights = weights / (weights.sum(-1, keepdim=True) + 1e-8)
    context = torch.bmm(weights, regions)
    length = context.norm(dim=2, keepdim=True).clamp(min=1e-8)
    feature = (w * (context / length)).sum(-1)
    # Positive branch: relevance.
    leaky = F.leaky_relu(attention, 0.1)
    leaky = leaky / (leaky.pow(2).sum(1, keepdim=True).sqrt() + 1e-8)
    relevance = (F.softmax(20 * leaky, -1) * attention).sum(-1)
    return (negative + feature + relevance).mean(1)


def timing():
    from safetensors.torch import load_file, save_file

    _, _, file, threads, captions, out = sys.argv
    torch.set_num_threads(int(threads))
    stored = load_file(file)
    images, texts = [], []
    for k in range(1, SCALES + 1):
        hidden, weight, bias = (stored[f"{name}_{k}"].double() for name in ("hidden", "weight", "bias"))
        images.append(hidden @ weight.T + bias)
        texts.append(stored[f"words_{k}"].double()[: int(captions)])
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        total = sum(torch.stack([scores(V, w) for w in W], 1) for V, W in zip(images, texts))
        ms, used = 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)
        save_file({"scores": total.contiguous()}, out)
        print(json.dumps({"ms": ms, "cpu": used, "peak": peak()}), flush=True)


def memory():
    images, captions, threads = map(int, sys.argv[2:])
    torch.set_num_threads(threads)
    # The published evaluation fills arrays of float64 for all images and captions before it scores.
    V = [torch.empty(images, REGIONS, WIDTH, dtype=torch.float64).normal_(0, 1 / 32) for _ in range(SCALES)]
    W = [torch.empty(captions, WORDS, WIDTH, dtype=torch.float64).normal_(0, 1 / 32) for _ in range(SCALES)]
    held = peak()
    for c in range(3):
        for v, w in zip(V, W):
            scores(v, w[c])
    print(json.dumps({"features": held, "peak": peak()}), flush=True)


{"time": timing, "memory": memory}[what]()
