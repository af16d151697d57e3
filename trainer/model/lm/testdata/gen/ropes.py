"""Rotary positions of every kind: frequencies, and the hidden states of one of the folders with its config changed."""

import os

import torch
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from . import decoders
from .store import write_json, write_tensors
from .texts import PROMPTS

FOLDER = "qwen2-untied-bf16"  # heads of width 8, 128 positions, theta 10000

SMALL = {
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
    "yarn-betas": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64, "beta_fast": 4.0, "beta_slow": 0.5,
                   "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.3},
    "yarn-attention": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "attention_factor": 1.3},
    "yarn-whole": {"rope_type": "yarn", "factor": 16.0},
    "dynamic": {"type": "dynamic", "factor": 4.0},
}

WIDE = {  # as in real folders: heads of width 128, 32,768 positions, theta 1e6; frequencies only
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    "yarn-betas": {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096, "beta_fast": 16.0, "beta_slow": 2.0,
                   "mscale": 1.0, "mscale_all_dim": 1.0, "truncate": False},
}


def _case(name, rope, config):
    rotary = Qwen2RotaryEmbedding(config)
    return {"name": name, "rope": rope, "inv_freq": rotary.inv_freq.tolist(), "attention_factor": float(rotary.attention_scaling)}


def _folder(root, tok, name, rope):
    config = AutoConfig.from_pretrained(os.path.join(root, FOLDER))
    config.rope_parameters = dict(rope, rope_theta=10000.0)
    config.standardize_rope_params()
    model = AutoModelForCausalLM.from_pretrained(os.path.join(root, FOLDER), config=config, dtype=torch.float32).eval()
    ids, mask = decoders.pad([tok.encode(p).ids for p in PROMPTS], 0, False)
    hidden = decoders.forward(model, ids, mask).hidden_states[-1] * mask[..., None]
    return _case(name, rope, config), ids, mask, hidden


def write(root, tok):
    small, states = [], {}
    for name, rope in SMALL.items():
        case, ids, mask, states[name] = _folder(root, tok, name, rope)
        small.append(case)
    wide = []
    for name, rope in WIDE.items():
        config = Qwen2Config(hidden_size=1024, num_attention_heads=8, max_position_embeddings=32768, rope_parameters=dict(rope, rope_theta=1e6))
        wide.append(_case(name, rope, config))
    write_json(root, "ropes.json", {"folder": FOLDER, "ids": ids.tolist(), "mask": mask.tolist(), "small": small, "wide": wide})
    write_tensors(root, "ropes.safetensors", states)
