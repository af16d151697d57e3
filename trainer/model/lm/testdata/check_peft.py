"""Loads an adapter exported by softrec into PEFT and compares its outputs with softrec's: see README.md."""

import argparse
import json
import sys

import torch
import transformers
from peft import PeftModel


def load(base, adapter, kind):
    loader = transformers.AutoModelForCausalLM if kind == "logits" else transformers.AutoModel
    model = PeftModel.from_pretrained(loader.from_pretrained(base, dtype=torch.float32), adapter)
    return model.eval()


def outputs(model, kind, ids, mask):
    positions = {}
    if kind == "logits":
        positions["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, **positions)
    return out.logits if kind == "logits" else out.last_hidden_state


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="model folder")
    parser.add_argument("--adapter", required=True, help="folder that softrec exported")
    parser.add_argument("--case", required=True, help="JSON: kind, ids, mask, output, tolerance")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with open(args.case) as f:
        case = json.load(f)
    ids, mask = torch.tensor(case["ids"]), torch.tensor(case["mask"])
    model = load(args.base, args.adapter, case["kind"])
    real = mask.bool()
    got = outputs(model, case["kind"], ids, mask)[real]
    with model.disable_adapter():
        effect = (outputs(model, case["kind"], ids, mask)[real] - got).abs().max().item()
    worst = (got - torch.tensor(case["output"])[real]).abs().max().item()
    tolerance = case.get("tolerance", 1e-4)
    print(f"greatest difference {worst:.3g} (tolerance {tolerance:g}); the adapter itself moves outputs by up to {effect:.3g}")
    sys.exit(0 if worst <= tolerance else 1)


if __name__ == "__main__":
    main()
