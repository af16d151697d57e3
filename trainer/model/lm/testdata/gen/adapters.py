"""Random LoRA adapters saved by PEFT, and what training with them gives: losses, gradients, weights after updates."""

import json
import os
import shutil

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model

from .store import write_json, write_tensors

STEPS = 3
OPTIMISER = dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)


def attach(model, folder, targets, generator):
    """Wraps the model, with A and B both random: a fresh adapter (B = 0) would change nothing."""
    peft = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets, bias="none"))
    with torch.no_grad():
        for name, p in peft.named_parameters():
            if "lora_" in name:
                p.copy_(0.25 * torch.randn(p.shape, generator=generator))
    peft.eval()
    path = os.path.join(folder, "adapter")
    shutil.rmtree(path, ignore_errors=True)
    peft.save_pretrained(path, save_embedding_layers=False)
    os.remove(os.path.join(path, "README.md"))
    _tidy_config(os.path.join(path, "adapter_config.json"))
    os.chmod(os.path.join(path, "adapter_model.safetensors"), 0o644)
    return peft


def _tidy_config(path):
    """Takes the folder of this run out of the file and gives the set of targets an order: the file is then the same everywhere."""
    with open(path) as f:
        config = json.load(f)
    config["base_model_name_or_path"] = os.path.basename(os.path.dirname(os.path.dirname(path)))
    config["target_modules"] = sorted(config["target_modules"])
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def short(name):
    """"base_model.model.X.lora_A.default.weight" -> "X.lora_A"."""
    return name.removeprefix("base_model.model.").removesuffix(".default.weight")


def train(peft, folder, loss_of, extra, notes):
    """One batch, several AdamW updates: the loss before each, the first gradients, the weights after the first and the last."""
    params = {short(n): p for n, p in peft.named_parameters() if p.requires_grad}
    optimiser = torch.optim.AdamW(params.values(), **OPTIMISER)
    tensors, losses = dict(extra), []
    for step in range(STEPS):
        optimiser.zero_grad()
        loss = loss_of(peft)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            tensors.update({f"grad.{n}": p.grad for n, p in params.items()})
        optimiser.step()
        if step in (0, STEPS - 1):
            tensors.update({f"after{step + 1}.{n}": p.detach().clone() for n, p in params.items()})
        if step == 0:
            tensors = {k: v.clone() for k, v in tensors.items()}
    losses.append(loss_of(peft).item())
    write_tensors(folder, "train.safetensors", tensors)
    write_json(folder, "train.json", dict(notes, losses=losses, steps=STEPS, lr=OPTIMISER["lr"], beta1=0.9, beta2=0.999,
                                          eps=OPTIMISER["eps"], weight_decay=OPTIMISER["weight_decay"],
                                          modules=sorted(n.removesuffix(".lora_A") for n in params if n.endswith("lora_A"))))


def encoder_loss(ids, mask, table, targets, temperature):
    """Mean pooling over the mask, cosine against a fixed table over the temperature, cross-entropy: mean over the batch."""
    def loss_of(model):
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).float()
        pooled = F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)
        return F.cross_entropy(pooled @ table.T / temperature, targets)
    return loss_of


def decoder_loss(ids, mask, labels):
    """Next-token cross-entropy over the labelled positions of the whole batch: one mean over all of them."""
    def loss_of(model):
        logits = model(input_ids=ids, attention_mask=mask).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    return loss_of
