"""The published training's transform in PyTorch's DataLoader: decode, RandomResizedCrop(384), flip, normalise; a line of JSON a round.

Arguments: folder with JPEGs, size, batch size, workers. A line on stdin starts a round; its answer is
{"images", "seconds", "cpu"}, where cpu are the CPU seconds of this process and its workers, which stay from round to round as
ours do. One thread a worker, as DataLoader sets it.
"""
import json
import os
import pathlib
import resource
import sys
import time

import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, transforms


class Pictures(Dataset):
    def __init__(self, folder: str, size: int) -> None:
        self.files = sorted(pathlib.Path(folder).glob("*.jpg"))
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(0.5, 1.0), interpolation=InterpolationMode.BICUBIC),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.files[index]).convert("RGB"))


def cpu_seconds(workers: list[int]) -> float:
    """Of this process and of its workers (Linux: fields 14 and 15 of /proc/PID/stat)."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    total = usage.ru_utime + usage.ru_stime
    for pid in workers:
        user, system = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    folder, size, batch, workers = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(1)
    pictures = Pictures(folder, size)
    print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__, "pid": os.getpid()}), flush=True)
    loader = DataLoader(
        pictures, batch_size=batch, shuffle=True, num_workers=workers, prefetch_factor=2, persistent_workers=True
    )
    for _ in loader:  # starts the workers
        pass
    pids = [worker.pid for worker in loader._iterator._workers]
    for _ in sys.stdin:
        cpu, start, count = cpu_seconds(pids), time.perf_counter(), 0
        for images in loader:
            count += len(images)
        seconds = time.perf_counter() - start
        print(json.dumps({"images": count, "seconds": seconds, "cpu": cpu_seconds(pids) - cpu}), flush=True)


if __name__ == "__main__":
    main()
