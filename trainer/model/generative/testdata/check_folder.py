"""Loads a folder that softrec pretrained into transformers and compares tokens and log-probabilities of titles with softrec's.

The case file is JSON: titles (texts), ids (of each, without special tokens), logp (natural log of the probability of the
title and its end after the begin token), tolerance. Exit status 0: equal, 1: not.
"""

import argparse
import json
import sys

import torch
import transformers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument("--case", required=True, help="JSON file")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with open(args.case) as f:
        case = json.load(f)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    worst = 0.0
    for title, want, logp in zip(case["titles"], case["ids"], case["logp"]):
        ids = tokenizer(title, add_special_tokens=False)["input_ids"]
        if ids != want:
            sys.exit(f"{title!r}: tokens {ids}, softrec has {want}")
        row = torch.tensor([[model.config.bos_token_id, *ids]])
        with torch.no_grad():
            scores = torch.log_softmax(model(row).logits[0], -1)
        eos = model.config.eos_token_id
        targets = [*ids, eos[0] if isinstance(eos, list) else eos]
        got = sum(scores[place, token].item() for place, token in enumerate(targets))
        worst = max(worst, abs(got - logp))
    print(f"{len(case['titles'])} titles, greatest difference {worst:.3g} (tolerance {case['tolerance']:g})")
    sys.exit(0 if worst <= case["tolerance"] else 1)


if __name__ == "__main__":
    main()
