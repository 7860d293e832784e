"""AMS in eager PyTorch: the yardstick of bench/engine.ts. Own code, the same mathematics; PyTorch 2.13.0, no compilation.

Usage: python engine_torch.py CASE THREADS; for every line on stdin it runs the case once and prints {"ms": .., "cpu": .., "peak": bytes}.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F

case, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(1)

SIZES = {
    "small": dict(pixels=96, patch=12, width=128, hidden=512, heads=4, vocabulary=int(sys.argv[3]), positions=40, embed=128),
    "base": dict(pixels=384, patch=16, width=768, hidden=3072, heads=12, vocabulary=30522, positions=512, embed=1024),
}
WORDS, SCALES = 30, [1, 3, 5, 7, 9, 11]


def linear(out, width):
    return torch.nn.Linear(width, out)


class Layer(torch.nn.Module):
    """A transformer layer: pre-norm (image) or post-norm (text), GELU with erf."""

    def __init__(self, width, hidden, heads, pre_norm, dropout):
        super().__init__()
        self.heads, self.pre_norm, self.dropout = heads, pre_norm, dropout
        self.query, self.key, self.value, self.output = (linear(width, width) for _ in range(4))
        self.inner, self.outer = linear(hidden, width), linear(width, hidden)
        self.before, self.after = (torch.nn.LayerNorm(width, eps=1e-12) for _ in range(2))

    def attend(self, x, mask):
        split = lambda t: t.view(*t.shape[:2], self.heads, -1).transpose(1, 2)
        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.dropout)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))

    def forward(self, x, mask=None):
        drop = lambda t: F.dropout(t, self.dropout) if self.dropout else t
        if self.pre_norm:
            x = x + self.attend(self.before(x), mask)
            return x + self.outer(F.gelu(self.inner(self.after(x))))
        x = self.before(drop(self.attend(x, mask)) + x)
        return self.after(drop(self.outer(F.gelu(self.inner(x)))) + x)


class Ams(torch.nn.Module):
    def __init__(self, pixels, patch, width, hidden, heads, vocabulary, positions, embed, depth):
        super().__init__()
        grid = pixels // patch
        self.patch = torch.nn.Conv2d(3, width, patch, patch)
        self.cls = torch.nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = torch.nn.Parameter(torch.randn(1, grid * grid + 1, width) * 0.02)
        self.image_layers = torch.nn.ModuleList(Layer(width, hidden, heads, True, 0.0) for _ in range(depth))
        self.words = torch.nn.Embedding(vocabulary, width, padding_idx=0)
        self.positions, self.types = torch.nn.Embedding(positions, width), torch.nn.Embedding(2, width)
        self.norm = torch.nn.LayerNorm(width, eps=1e-12)
        self.text_layers = torch.nn.ModuleList(Layer(width, hidden, heads, False, 0.1) for _ in range(depth))
        self.image_fc, self.text_fc = (torch.nn.ModuleList(linear(embed, width) for _ in SCALES) for _ in range(2))
        self.scale = torch.nn.Parameter(torch.ones(len(SCALES)))

    def features(self, pixels, ids):
        x = self.patch(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.places
        images = []
        for l, layer in enumerate(self.image_layers, 1):
            x = layer(x)
            if l in SCALES:
                images.append(self.image_fc[SCALES.index(l)](F.normalize(x, dim=-1)))
        x = self.words(ids) + self.positions.weight[:WORDS] + self.types.weight[:1]
        x = F.dropout(self.norm(x), 0.1)
        mask = torch.zeros(len(ids), 1, 1, WORDS)
        texts = []
        for l, layer in enumerate(self.text_layers, 1):
            x = layer(x, mask)
            if l in SCALES:
                texts.append(self.text_fc[SCALES.index(l)](F.normalize(x, dim=-1)))
        return images, texts


def scores(V, W):
    """Scores of P pairs of one scale: regions [P, R, E], words [P, W, E] -> [P] (training: threshold 0, no propagation)."""
    A = W @ V.transpose(1, 2)
    top = A.max(-1).values
    E = torch.exp(20 * (A - top.detach().unsqueeze(-1))) * (A > 0)
    norm = (E @ V).norm(dim=-1).clamp_min(1e-8)
    f = torch.where(top > 0, (E * A).sum(-1) / norm, torch.zeros_like(top))
    L = F.leaky_relu(A, 0.1)
    b = torch.softmax(20 * L / (L.square().sum(1, keepdim=True).sqrt() + 1e-8), -1)
    return (torch.where(top < 0, top, torch.zeros_like(top)) + f + (b * A).sum(-1)).mean(-1)


def loss_of(S):
    eye = torch.eye(len(S), dtype=torch.bool)
    off, right = S.masked_fill(eye, -torch.inf), S.diagonal()
    return (0.2 + off.max(1).values - right).clamp_min(0).sum() + (0.2 + off.max(0).values - right).clamp_min(0).sum()


def step(model, optimiser, pixels, ids):
    images, texts = model.features(pixels, ids)
    B = len(pixels)
    texts = [texts[max(k, 1)] if k == 0 else texts[k] for k in range(6)]  # the published first scale
    rows, columns = [t.flatten() for t in torch.meshgrid(torch.arange(B), torch.arange(B), indexing="ij")]
    if B < 12:
        S = sum(model.scale[k] * scores(images[k][rows], texts[k][columns]) for k in range(6)).view(B, B)
        loss = loss_of(S)
    else:  # score all pairs without a gradient, then those that carry one
        with torch.no_grad():
            S = torch.stack([
                sum(model.scale[k] * scores(images[k][b : b + 1].expand(B, -1, -1), texts[k]) for k in range(6)) for b in range(B)
            ])
        S.requires_grad_(True)
        (weights,) = torch.autograd.grad(loss_of(S), S)
        r, c = weights.nonzero(as_tuple=True)
        loss = (sum(model.scale[k] * scores(images[k][r], texts[k][c]) for k in range(6)) * weights[r, c]).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimiser.step()


def prepare():
    kind, name, batch = case.split("/")[:3]
    size, batch = SIZES[name], int(batch)
    tokens = (size["pixels"] // size["patch"]) ** 2 + 1
    if kind in ("forward", "both"):
        layer = Layer(size["width"], size["hidden"], size["heads"], True, 0.0)
        x = torch.randn(batch, tokens, size["width"], requires_grad=True)
        if kind == "forward":
            def forward():
                with torch.no_grad():
                    layer(x)
            return forward

        def both():
            layer.zero_grad(set_to_none=True)
            x.grad = None
            layer(x).backward(torch.ones_like(x))
        return both
    depth = 12 if kind == "published" else 11
    model = Ams(**size, depth=depth)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-5)
    pixels = torch.randn(batch, 3, size["pixels"], size["pixels"])
    ids = torch.randint(1, size["vocabulary"], (batch, WORDS))
    return lambda: step(model, optimiser, pixels, ids)


run = prepare()
for _ in sys.stdin:
    began, before = time.perf_counter(), time.process_time()
    run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": 1000 * seconds, "cpu": 1000 * cpu, "peak": peak}), flush=True)
