"""The PyTorch side of the speed comparison: PEFT's LoRA on MiniLM, asked for one measurement at a time.

Reads one JSON object per line, {"case": "train" | "encode", "tokens": T, "batch": B, "repeat": N, "seconds": S}, and answers
with {"ms": [...]}: up to N timed runs, at least one, and no new one after S seconds. A case runs untimed before its first timed run.
"""

import argparse
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, get_peft_model

ITEMS, TEMPERATURE, HISTORY = 12101, 0.05, 10
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pooled(model, ids, mask):
    """Mean over the mask in float32, unit length."""
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    weights = mask.unsqueeze(-1).float()
    return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)


class Bench:
    """A frozen model for encoding and one with an adapter for training, of one precision."""

    def __init__(self, folder, dtype):
        load = transformers.AutoModel.from_pretrained
        self.generator = torch.Generator().manual_seed(1)
        self.frozen = load(folder, dtype=dtype).eval()
        self.vocab = self.frozen.config.vocab_size
        lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.05, target_modules=["query", "value"])
        self.tuned = get_peft_model(load(folder, dtype=dtype), lora).train()
        for module in self.tuned.modules():  # the base is frozen: only the adapter drops out
            if isinstance(module, torch.nn.Dropout) and module.p != 0.05:
                module.p = 0.0
        params = [p for p in self.tuned.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(params, lr=1e-3)
        self.table = F.normalize(torch.randn(ITEMS, self.frozen.config.hidden_size, generator=self.generator), dim=-1)
        self.cases = {}

    def texts(self, tokens, batch):
        """Full rows: the shape is what costs."""
        ids = torch.randint(1000, self.vocab, (batch, tokens), generator=self.generator)
        return ids, torch.ones_like(ids)

    def train(self, tokens, batch):
        ids, mask = self.texts(tokens, batch)
        targets = torch.randint(0, ITEMS, (batch,), generator=self.generator)
        history = torch.randint(0, ITEMS, (batch, HISTORY), generator=self.generator)
        history[history == targets[:, None]] = 0

        def step():
            self.optimiser.zero_grad()
            scores = pooled(self.tuned, ids, mask) @ self.table.T / TEMPERATURE
            seen = torch.zeros_like(scores).scatter_(1, history, -1e9)
            loss = F.cross_entropy(scores + seen, targets)
            loss.backward()
            self.optimiser.step()
            return loss.item()
        return step

    def encode(self, tokens, batch):
        ids, mask = self.texts(tokens, batch)

        def run():
            with torch.inference_mode():
                return pooled(self.frozen, ids, mask).numpy().copy()
        return run

    def measure(self, ask):
        key = (ask["case"], ask["tokens"], ask["batch"])
        if key not in self.cases:
            self.cases[key] = {"train": self.train, "encode": self.encode}[key[0]](*key[1:])
            self.cases[key]()
        run, times, start = self.cases[key], [], time.perf_counter()
        while not times or (len(times) < ask["repeat"] and time.perf_counter() - start < ask["seconds"]):
            began = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - began))
        return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(args.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    bench = Bench(args.minilm, DTYPES[args.dtype])
    print(json.dumps({"ready": f"torch {torch.__version__.split('+')[0]}, {args.dtype}, {args.threads} threads"}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"ms": bench.measure(json.loads(line))}), flush=True)


if __name__ == "__main__":
    main()
