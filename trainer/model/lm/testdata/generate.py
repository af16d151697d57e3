"""Makes every file in this folder that a test reads: see README.md. Needs no network.

    python generate.py                   all fixtures but the MiniLM vectors
    python generate.py --minilm FOLDER   the MiniLM vectors too, from that model folder
"""

import argparse
import json
import os
import platform
import random
import shutil

import peft
import safetensors
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer

from gen import checkpoints, decoders, encoders, ropes, sentences, vocabularies
from gen.store import write_json

SEED = 20260


def versions():
    return {"python": platform.python_version(), "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
            "peft": peft.__version__, "tokenizers": tokenizers.__version__, "safetensors": safetensors.__version__}


def make_tokenizers(root):
    for name in ("wordpiece", "qwen2", "llama3", "llama2", "llama2_metaspace", "wordlevel"):
        folder = os.path.join(root, "tokenizers", name)
        shutil.rmtree(folder, ignore_errors=True)
        tok, config = getattr(vocabularies, name)()
        vocabularies.save(folder, tok, config)
        tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        write_json(folder, "expected.json", vocabularies.expected(tok, random.Random(SEED)))


def make_encoders(root):
    for i, make in enumerate(checkpoints.ENCODERS):
        generator = torch.Generator().manual_seed(SEED + i)
        folder, model = make(root, generator)
        model.eval()
        tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        encoders.outputs(model, tok, folder, all_layers=i == 0)
        if i == 0:
            encoders.with_adapter(model, tok, folder, generator)
        print("wrote", os.path.basename(folder))


def make_decoder(root, make, seed):
    generator = torch.Generator().manual_seed(seed)
    folder, model = make(root, generator)
    model.eval()
    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    end = model.config.eos_token_id
    end = end if isinstance(end, list) else [end]
    filler = model.config.pad_token_id if model.config.pad_token_id is not None else end[0]
    prompts, titles = decoders.outputs(model, tok, folder, end, filler, make is checkpoints.qwen2)
    decoders.with_adapter(model, folder, prompts, titles, end, filler, generator)
    print("wrote", os.path.basename(folder), "with seed", seed)


def make_decoders(root):
    for i, make in enumerate(checkpoints.DECODERS):
        for seed in range(SEED + 100 * (i + 1), SEED + 100 * (i + 2)):
            try:
                make_decoder(root, make, seed)
                break
            except decoders.Unsuitable as reason:
                print("seed", seed, "passed over:", reason)
        else:
            raise RuntimeError(f"no suitable seed for {make.__name__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", help="folder of all-MiniLM-L6-v2; without it its vectors are left as they are")
    args = parser.parse_args()
    root = os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(json.dumps(versions()))
    make_tokenizers(root)
    make_encoders(root)
    make_decoders(root)
    ropes.write(root, Tokenizer.from_file(os.path.join(root, ropes.FOLDER, "tokenizer.json")))
    print("wrote ropes")
    if args.minilm:
        sentences.write(args.minilm, os.path.join(root, "minilm"))
        print("wrote minilm")
    write_json(root, "versions.json", dict(versions(), seed=SEED))


if __name__ == "__main__":
    main()
