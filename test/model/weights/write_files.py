"""Files as PyTorch and Hugging Face programs write them, from the golden weights.

write_files.py GOLDEN_DIR OUT_DIR
"""
import argparse, collections, io, json, os, sys, zipfile
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

golden, out = sys.argv[1:]
states = [collections.OrderedDict(load_file(f"{golden}/weights_{part}.safetensors")) for part in ("img", "txt")]
at = lambda name: os.path.join(out, name)


def checkpoint(states, **more):
    opt = argparse.Namespace(dataset="flickr", thres=0.25, thres_safe=0.125, max_violation=True, lambda_softmax=20.0, resume="", nothing=None)
    return {"epoch": 3, "model": states, "best_rsum": 531.25, "opt": opt, "Eiters": 13593, **more}


def mapped(f):
    return [collections.OrderedDict((k, f(v)) for k, v in s.items()) for s in states]


# ---- checkpoints of the published code: today's form, the one before 1.6, other number types
torch.save(checkpoint(states), at("zip.pth.tar"))
torch.save(checkpoint(states), at("legacy.pth.tar"), _use_new_zipfile_serialization=False)
torch.save(checkpoint(mapped(lambda t: t.half())), at("half.pth.tar"))
torch.save(checkpoint(mapped(lambda t: t.bfloat16())), at("bfloat16.pth.tar"))
torch.save(checkpoint(mapped(lambda t: t.double())), at("float64.pth.tar"))
torch.save(checkpoint(mapped(lambda t: t.double())), at("float64-legacy.pth.tar"), _use_new_zipfile_serialization=False)
# transposed matrices, parameters, views into one storage, a state with the metadata of modules, the buffer of old BERTs
odd = mapped(lambda t: t.t().contiguous().t() if t.dim() == 2 else torch.nn.Parameter(t))
names = [k for k, v in odd[0].items() if v.dim() == 1]
pool = torch.cat([odd[0][k].detach() for k in names])
for k, v in zip(names, torch.split(pool, [odd[0][k].numel() for k in names])):
    odd[0][k] = v
odd[0]._metadata = collections.OrderedDict([("", {"version": 1})])
odd[1]["text_encoder.embeddings.position_ids"] = torch.arange(40).expand((1, -1))
torch.save(checkpoint(odd), at("odd.pth.tar"))
torch.save(checkpoint(odd), at("odd-legacy.pth.tar"), _use_new_zipfile_serialization=False)
# the same archive with 64-bit sizes everywhere, as one beyond 4 GiB has them
zipfile.ZIP64_LIMIT = 0
with zipfile.ZipFile(at("zip.pth.tar")) as source, zipfile.ZipFile(at("zip64.pth.tar"), "w") as target:
    for info in source.infolist():
        with target.open(info.filename, "w", force_zip64=True) as record:
            record.write(source.read(info))
with zipfile.ZipFile(at("zip.pth.tar")) as source, zipfile.ZipFile(at("packed.pth.tar"), "w", zipfile.ZIP_DEFLATED) as target:
    for info in source.infolist():
        target.writestr(info.filename, source.read(info))


# ---- what must not be run
class Evil:
    def __reduce__(self):
        return os.system, (f"touch {at('proof')}",)


class Plain:
    pass


torch.save(checkpoint(states, extra=Evil()), at("evil.pth.tar"))
torch.save(checkpoint(states, extra=Evil()), at("evil-legacy.pth.tar"), _use_new_zipfile_serialization=False)
torch.save(checkpoint(states, extra=Plain()), at("plain.pth.tar"))
torch.save(torch.nn.Linear(2, 2), at("module.pth.tar"))
torch.save(checkpoint(states, extra=torch.float32), at("dtype.pth.tar"))

# ---- the optimiser of a training: every parameter in the order of the published code, four steps done
params = [torch.nn.Parameter(torch.tensor(1.0)) for _ in range(12)]
params += [torch.nn.Parameter(v.clone()) for v in states[1].values()] + [torch.nn.Parameter(v.clone()) for v in states[0].values()]
optimiser = torch.optim.Adam(params, lr=2e-5)
for step in range(4):
    for i, p in enumerate(params):
        unused = i < 6  # a1..a6 get no gradient
        p.grad = None if unused else torch.full_like(p, 0.001 * (i % 7 + 1) * (step + 1))
    optimiser.step()
torch.save(checkpoint(states, optimizer=optimiser.state_dict()), at("optimiser.pth.tar"))
order = [None] * 6 + [f"b{k}" for k in range(1, 7)] + ["txt." + k for k in states[1]] + ["img." + k for k in states[0]]
json.dump(
    {n: [float(optimiser.state[p]["exp_avg"].flatten()[0]), float(optimiser.state[p]["exp_avg_sq"].flatten()[0])] for n, p in zip(order, params) if n},
    open(at("moments.json"), "w"),
)

# ---- Hugging Face folders
vit = {"vit." + k[len("visual_encoder."):]: v for k, v in states[0].items() if k.startswith("visual_encoder.")}
bert = {"bert." + k[len("text_encoder."):]: v for k, v in states[1].items() if k.startswith("text_encoder.")}
for name in ("bin", "bin-legacy", "bin-sharded", "safetensors-sharded"):
    os.mkdir(at(name))
torch.save(vit, at("bin/pytorch_model.bin"))
torch.save({"state_dict": vit}, at("bin-legacy/pytorch_model.bin"), _use_new_zipfile_serialization=False)
for folder, end, save in (("bin-sharded", "pytorch_model{}.bin", torch.save), ("safetensors-sharded", "model{}.safetensors", save_file)):
    keys = list(vit)
    files = [end.format(f"-0000{n + 1}-of-00003") for n in range(3)]
    parts = [keys[n::3] for n in range(3)]
    for file, part in zip(files, parts):
        save({k: vit[k] for k in part}, at(f"{folder}/{file}"))
    index = {"metadata": {"total_size": 0}, "weight_map": {k: f for f, part in zip(files, parts) for k in part}}
    json.dump(index, open(at(f"{folder}/{end.format('')}.index.json"), "w"))

# ---- positions for other sizes, as transformers' ViT does it
grid = states[0]["visual_encoder.embeddings.position_embeddings"][:, 1:]
resized = {}
for mode in ("bicubic", "bilinear"):
    for side in (2, 3, 4, 5, 6, 7, 24):
        y = F.interpolate(grid.reshape(1, 4, 4, -1).permute(0, 3, 1, 2), size=(side, side), mode=mode, align_corners=False)
        resized[f"{mode}.{side}"] = y.permute(0, 2, 3, 1).reshape(-1, grid.shape[2]).contiguous()
save_file(resized, at("resized.safetensors"))
