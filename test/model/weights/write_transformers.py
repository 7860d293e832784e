"""test/fixtures/weights/transformers: folders as save_pretrained writes them, and what transformers computes with them.

write_transformers.py OUT_DIR, with torch 2.13.0 and transformers 4.57.6 (150 MB with what it needs: too much for every test run,
so the folders are kept).
"""
import os, sys
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining, BertModel, ViTConfig, ViTForImageClassification, ViTModel

out = sys.argv[1]
torch.manual_seed(7)
common = dict(hidden_size=16, num_hidden_layers=6, num_attention_heads=2, intermediate_size=32, layer_norm_eps=1e-12, initializer_range=0.3)
vit = ViTForImageClassification(ViTConfig(**common, image_size=16, patch_size=8, num_labels=3)).eval()
bert = BertForPreTraining(BertConfig(**common, vocab_size=60, max_position_embeddings=12)).eval()
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{n}" for n in range(55)]


def save(model, name, **more):
    model.save_pretrained(os.path.join(out, name), **more)
    if name.startswith("bert"):
        with open(os.path.join(out, name, "vocab.txt"), "w") as file:
            file.write("\n".join(words) + "\n")


save(vit, "vit-for-classification")
save(bert, "bert-for-pretraining")
# The same weights without their heads: other names, and a pooler that the first does not have.
alone = ViTModel(vit.config).eval()
alone.load_state_dict(vit.vit.state_dict(), strict=False)
save(alone, "vit", max_shard_size="20KB")
save(bert.bert, "bert", safe_serialization=False)

pixels = torch.randn(2, 3, 16, 16)
ids = torch.tensor([[2, 10, 20, 30, 3, 0], [2, 59, 3, 0, 0, 0]])
mask = (ids > 0).long()
with torch.no_grad():
    images = vit(pixels, output_hidden_states=True).hidden_states
    texts = bert(ids, attention_mask=mask, output_hidden_states=True).hidden_states
tensors = {"pixels": pixels, "ids": ids.int(), "mask": mask.int()}
for layer in range(1, 7):
    tensors[f"image.{layer}"], tensors[f"text.{layer}"] = images[layer].contiguous(), texts[layer].contiguous()
save_file(tensors, os.path.join(out, "expected.safetensors"))
