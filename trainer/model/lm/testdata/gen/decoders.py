"""Expected outputs of the Llama and Qwen2 folders: logits, generation, log-probabilities, training."""

import copy
import json

import torch

from . import adapters
from .store import write_json, write_tensors
from .texts import CATALOGUE, PROMPTS

NEW_TOKENS = 12
PENALTIES = [0.0, 0.6, 1.0, 2.0]


def pad(rows, filler, left):
    width = max(map(len, rows))
    gap = [width - len(r) for r in rows]
    if left:
        return (torch.tensor([[filler] * g + r for g, r in zip(gap, rows)]),
                torch.tensor([[0] * g + [1] * len(r) for g, r in zip(gap, rows)]))
    return (torch.tensor([r + [filler] * g for g, r in zip(gap, rows)]),
            torch.tensor([[1] * len(r) + [0] * g for g, r in zip(gap, rows)]))


def positions(mask):
    return (mask.cumsum(1) - 1).clamp(min=0)


def forward(model, ids, mask):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), output_hidden_states=True)


class Unsuitable(Exception):
    """This model's texts would test little (all of one length) or unreliably (near ties): try another seed."""


class Trie:
    """The catalogue as token paths that end in the end token."""

    def __init__(self, paths):
        self.paths = [tuple(p) for p in paths]

    def allowed(self, prefix):
        prefix = tuple(prefix)
        return sorted({p[len(prefix)] for p in self.paths if len(p) > len(prefix) and p[:len(prefix)] == prefix})


def finished(tokens, ends):
    """The tokens up to and including the first end token."""
    for i, t in enumerate(tokens):
        if t in ends:
            return tokens[:i + 1]
    return tokens


def generate(model, ids, mask, end, filler, max_new_tokens=NEW_TOKENS, **options):
    config = copy.deepcopy(model.generation_config)
    config.eos_token_id, config.pad_token_id, config.do_sample = list(end), filler, False
    with torch.no_grad():
        return model.generate(input_ids=ids, attention_mask=mask, generation_config=config, max_new_tokens=max_new_tokens,
                              return_dict_in_generate=True, output_scores=True, **options)


def beams(model, double, ids, mask, end, filler, trie=None, **options):
    """Best four of four beams per prompt. A case counts only if float64 gives the same answers: no near ties."""
    prompt = ids.shape[1]
    held = {}
    if trie is not None:
        held["max_new_tokens"] = max(map(len, trie.paths))
        held["prefix_allowed_tokens_fn"] = lambda _, row: trie.allowed(row[prompt:].tolist()) or [end[0]]
    runs = [generate(m, ids, mask, end, filler, num_beams=4, num_return_sequences=4, **held, **options) for m in (model, double)]
    rows = [[finished(r[prompt:].tolist(), end) for r in run.sequences] for run in runs]
    if rows[0] != rows[1]:
        raise Unsuitable(f"near tie in {options}")
    scores = runs[0].sequences_scores.tolist()
    groups = []
    for i in range(0, len(scores), 4):
        groups.append([{"tokens": t, "score": s} for t, s in zip(rows[0][i:i + 4], scores[i:i + 4])])
    return dict(options, prompts=groups)


def title_scores(model, prompt_rows, trie):
    """Sum of log p(token) over each title and its end token, given each prompt; "held" renormalises over allowed tokens."""
    free, held = [], []
    for prompt in prompt_rows:
        free.append([])
        held.append([])
        for path in trie.paths:
            ids = torch.tensor([prompt + list(path)])
            logits = forward(model, ids, torch.ones_like(ids)).logits[0, len(prompt) - 1:-1].double()
            logp = logits.log_softmax(-1)
            free[-1].append(sum(logp[i, t].item() for i, t in enumerate(path)))
            total = 0.0
            for i, t in enumerate(path):
                total += (logits[i, t] - logits[i, trie.allowed(path[:i])].logsumexp(0)).item()
            held[-1].append(total)
    return {"free": free, "held": held}


def outputs(model, tok, folder, end, filler, all_layers):
    """Everything that the frozen base gives. Prompts carry the family's begin token, titles do not."""
    prompt_rows = [tok.encode(p).ids for p in PROMPTS]
    title_rows = [tok.encode(t, add_special_tokens=False).ids for t in CATALOGUE]
    trie = Trie([r + [end[0]] for r in title_rows])
    ids, mask = pad(prompt_rows, filler, left=False)
    out = forward(model, ids, mask)
    left_ids, left_mask = pad(prompt_rows, filler, left=True)
    left = forward(model, left_ids, left_mask)
    assert torch.allclose(left.logits[left_mask.bool()], out.logits[mask.bool()], atol=1e-4)
    keep = mask.unsqueeze(-1).float()
    tensors = {"hidden": out.hidden_states[-1] * keep, "logits": out.logits * keep}
    if all_layers:
        tensors.update({f"hidden.{i}": h * keep for i, h in enumerate(out.hidden_states)})
    states = [forward(model, torch.tensor([r]), torch.ones(1, len(r), dtype=torch.long)).hidden_states[-1][0, -1] for r in title_rows]
    tensors["title_states"] = torch.stack(states)
    write_tensors(folder, "expected.safetensors", tensors)

    double = copy.deepcopy(model).double()
    rest = (left_ids, left_mask, end, filler)
    greedy = [[finished(r[left_ids.shape[1]:].tolist(), end) for r in generate(m, *rest).sequences] for m in (model, double)]
    if greedy[0] != greedy[1]:
        raise Unsuitable("near tie in greedy")
    free = [beams(model, double, *rest, length_penalty=p, early_stopping=e) for p in PENALTIES for e in (False, True)]
    held = [beams(model, double, *rest, trie=trie, length_penalty=p, early_stopping=e) for p in (0.0, 1.0) for e in (False, True)]
    lengths = {len(b["tokens"]) for case in free for group in case["prompts"] for b in group}
    if len(lengths) < 4:
        raise Unsuitable(f"generated texts have lengths {lengths}")
    write_json(folder, "expected.json", {
        "prompts": PROMPTS, "ids": ids.tolist(), "mask": mask.tolist(), "left_ids": left_ids.tolist(),
        "left_mask": left_mask.tolist(), "eos": list(end), "pad": filler, "max_new_tokens": NEW_TOKENS, "greedy": greedy[0],
        "beams": free, "titles": CATALOGUE, "title_ids": title_rows,
        "held_max_new_tokens": max(map(len, trie.paths)), "held_beams": held,
        "title_logprobs": title_scores(model, prompt_rows, trie)})
    return prompt_rows, title_rows


def with_adapter(model, folder, prompt_rows, title_rows, end, filler, generator):
    """The right-padded prompts through an adapter, then three updates: prompt 0..2 -> title 1, 4, 6 and the end token."""
    peft = adapters.attach(model, folder, ["q_proj", "v_proj"], generator)
    with open(f"{folder}/expected.json") as f:
        data = json.load(f)
    ids, mask = torch.tensor(data["ids"]), torch.tensor(data["mask"])
    out = forward(peft, ids, mask)
    keep = mask.unsqueeze(-1).float()
    last = out.logits[torch.arange(len(ids)), mask.sum(1) - 1]
    write_tensors(folder, "adapted.safetensors", {"hidden": out.hidden_states[-1] * keep, "last_logits": last})
    pairs = [(p, title_rows[t] + [end[0]]) for p, t in zip(prompt_rows, (1, 4, 6))]
    ids, mask = pad([p + t for p, t in pairs], filler, left=False)
    labels = torch.full_like(ids, -100)
    for row, (p, t) in enumerate(pairs):
        labels[row, len(p):len(p) + len(t)] = torch.tensor(t)
    loss = adapters.decoder_loss(ids, mask, labels)
    adapters.train(peft, folder, loss, {}, {"ids": ids.tolist(), "mask": mask.tolist(), "labels": labels.tolist()})
