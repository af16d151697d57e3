"""Expected outputs of the BERT folders."""

import json

import torch
import torch.nn.functional as F

from . import adapters
from .store import write_json, write_tensors
from .texts import TITLES


def batch(tok, texts, pad):
    """Ids with [CLS] and [SEP], padded on the right."""
    rows = [tok.encode(t).ids for t in texts]
    width = max(map(len, rows))
    ids = torch.tensor([r + [pad] * (width - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows])
    return ids, mask


def pooled(hidden, mask):
    weights = mask.unsqueeze(-1).float()
    return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)


def outputs(model, tok, folder, all_layers):
    """hidden (zero where the mask is), every layer's hidden states, mean-pooled unit vectors."""
    texts = [TITLES[0], "Linen Mug [SEP] Rose Cup", "mug"]
    ids, mask = batch(tok, texts, 0)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    keep = mask.unsqueeze(-1).float()
    tensors = {"hidden": out.last_hidden_state * keep, "pooled": pooled(out.last_hidden_state, mask)}
    if all_layers:
        tensors.update({f"hidden.{i}": h * keep for i, h in enumerate(out.hidden_states)})
    write_json(folder, "expected.json", {"texts": texts, "ids": ids.tolist(), "mask": mask.tolist()})
    write_tensors(folder, "expected.safetensors", tensors)
    return ids, mask, tensors


def with_adapter(model, tok, folder, generator):
    """The same batch through an adapter, then three updates on six titles against a table of twelve random vectors."""
    peft = adapters.attach(model, folder, ["query", "value"], generator)
    with open(f"{folder}/expected.json") as f:
        data = json.load(f)
    ids, mask = torch.tensor(data["ids"]), torch.tensor(data["mask"])
    with torch.no_grad():
        hidden = peft(input_ids=ids, attention_mask=mask).last_hidden_state
    write_tensors(folder, "adapted.safetensors",
                  {"hidden": hidden * mask.unsqueeze(-1).float(), "pooled": pooled(hidden, mask)})
    ids, mask = batch(tok, TITLES[10:16], 0)
    table = F.normalize(torch.randn(12, 32, generator=generator), dim=-1)
    targets = torch.tensor([3, 0, 11, 7, 7, 5])
    loss = adapters.encoder_loss(ids, mask, table, targets, 0.05)
    adapters.train(peft, folder, loss, {"table": table},
                   {"ids": ids.tolist(), "mask": mask.tolist(), "targets": targets.tolist(), "temperature": 0.05})
