"""Sentence vectors of all-MiniLM-L6-v2 by sentence-transformers: the texts, their ids and the vectors; never the weights."""

import os

import sentence_transformers
import torch

from .store import write_json, write_tensors
from .texts import NASTY, SENTENCES


def write(model_folder, folder):
    os.makedirs(folder, exist_ok=True)
    model = sentence_transformers.SentenceTransformer(model_folder, device="cpu")
    vectors = torch.stack([torch.from_numpy(model.encode(t, normalize_embeddings=True)) for t in SENTENCES])
    together = torch.from_numpy(model.encode(SENTENCES, normalize_embeddings=True, batch_size=len(SENTENCES)))
    assert torch.allclose(vectors, together, atol=1e-5)
    tok = model.tokenizer.backend_tokenizer
    tok.no_truncation()
    tok.no_padding()
    cases = [{"text": t, "ids": tok.encode(t, add_special_tokens=False).ids} for t in SENTENCES + NASTY]
    for case in cases:
        case["decoded"] = tok.decode(case["ids"], skip_special_tokens=True)
    write_json(folder, "expected.json", {"max_tokens": model.max_seq_length, "texts": SENTENCES, "cases": cases,
                                         "sentence_transformers": sentence_transformers.__version__})
    write_tensors(folder, "expected.safetensors", {"vectors": vectors})
