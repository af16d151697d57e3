"""Tiny random models, saved by transformers in the Hugging Face layout, each with one peculiarity of real folders."""

import json
import os
import shutil

import torch
from transformers import (AutoModel, AutoModelForCausalLM, BertConfig, BertForMaskedLM, BertModel, LlamaConfig,
                          LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM)

from . import vocabularies

SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, max_position_embeddings=128)


def randomise(model, generator, eos=()):
    """Weights large enough that every part of the model shows in the outputs. The rows of the end tokens are
    stretched, so that generated texts end at different lengths."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name.lower():
                p.copy_((1.0 if name.endswith("weight") else 0.0) + 0.2 * noise)
            elif name.endswith("bias"):
                p.copy_(0.2 * noise)
            elif "embed" in name:
                p.copy_(0.45 * noise)
            else:
                p.copy_(0.28 * noise)
        head = model.get_output_embeddings()
        for token in eos:
            head.weight[token] *= 2.2


def _legacy(folder, rope_scaling, extra=None):
    """Rewrites config.json as transformers 4 wrote it: rope_theta and rope_scaling at the top, torch_dtype."""
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope["rope_theta"]
    config["rope_scaling"] = rope_scaling
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    config.update(extra or {})
    config["transformers_version"] = "4.44.0"
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def _save(folder, model, tokenizer, dtype=torch.float32, shard=None):
    shutil.rmtree(folder, ignore_errors=True)
    model = model.to(dtype)
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    vocabularies.save(folder, *tokenizer)
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)


def bert(root, generator):
    """float32, one file, no prefix, mean pooling files of sentence-transformers beside it."""
    config = BertConfig(vocab_size=160, type_vocab_size=2, pad_token_id=0, hidden_act="gelu", **SMALL)
    model = BertModel(config)
    randomise(model, generator)
    folder = os.path.join(root, "bert")
    _save(folder, model, vocabularies.wordpiece())
    os.makedirs(os.path.join(folder, "1_Pooling"))
    with open(os.path.join(folder, "1_Pooling", "config.json"), "w") as f:
        json.dump({"word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
                   "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}, f, indent=1)
        f.write("\n")
    with open(os.path.join(folder, "modules.json"), "w") as f:
        json.dump([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                   {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                   {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}], f, indent=1)
        f.write("\n")
    return folder, AutoModel.from_pretrained(folder)


def bert_mlm(root, generator):
    """float16, names with the prefix "bert.", a head that nothing here needs, no pooler."""
    config = BertConfig(vocab_size=160, type_vocab_size=2, pad_token_id=0, hidden_act="gelu_new", **SMALL)
    model = BertForMaskedLM(config)
    randomise(model, generator)
    folder = os.path.join(root, "bert-mlm-f16")
    _save(folder, model, vocabularies.wordpiece(), torch.float16)
    return folder, BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).bert


def llama3(root, generator):
    """float32 in shards, untied, grouped queries, llama3 rope scaling, several end tokens, config of transformers 4."""
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    config = LlamaConfig(vocab_size=320, num_key_value_heads=2, bos_token_id=317, eos_token_id=[318, 319],
                         rope_parameters=dict(rope, rope_theta=500.0), rms_norm_eps=1e-5, **SMALL)
    model = LlamaForCausalLM(config)
    randomise(model, generator, (318, 319))
    folder = os.path.join(root, "llama3-sharded")
    _save(folder, model, vocabularies.llama3(), shard="60KB")
    _legacy(folder, rope)
    return folder, AutoModelForCausalLM.from_pretrained(folder)


def llama_linear(root, generator):
    """bfloat16, tied, linear rope scaling in its oldest spelling, one key-value head per query head."""
    config = LlamaConfig(vocab_size=379, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, rms_norm_eps=1e-6,
                         rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}, **SMALL)
    model = LlamaForCausalLM(config)
    randomise(model, generator, (2,))
    folder = os.path.join(root, "llama-linear-bf16")
    _save(folder, model, vocabularies.llama2(), torch.bfloat16)
    _legacy(folder, {"type": "linear", "factor": 2.0})
    return folder, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def llama_bias(root, generator):
    """float16, untied, biases on attention and MLP, one key-value head, a head width of its own, config of transformers 5."""
    config = LlamaConfig(vocab_size=379, num_key_value_heads=1, head_dim=12, attention_bias=True, mlp_bias=True,
                         bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5, **SMALL)
    model = LlamaForCausalLM(config)
    randomise(model, generator, (2,))
    folder = os.path.join(root, "llama-bias-f16")
    _save(folder, model, vocabularies.llama2_metaspace(), torch.float16)
    return folder, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def qwen2(root, generator):
    """float32, tied, grouped queries, more rows than the tokenizer has tokens, config of transformers 4."""
    config = Qwen2Config(vocab_size=328, num_key_value_heads=2, tie_word_embeddings=True, bos_token_id=317, eos_token_id=317,
                         rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, **SMALL)
    model = Qwen2ForCausalLM(config)
    randomise(model, generator, (317,))
    folder = os.path.join(root, "qwen2")
    _save(folder, model, vocabularies.qwen2())
    _legacy(folder, None, {"use_sliding_window": False, "sliding_window": 128, "max_window_layers": 2})
    return folder, AutoModelForCausalLM.from_pretrained(folder)


def qwen2_untied(root, generator):
    """bfloat16, untied, config as transformers 5 writes it."""
    config = Qwen2Config(vocab_size=320, num_key_value_heads=4, bos_token_id=317, eos_token_id=317, pad_token_id=317, **SMALL)
    model = Qwen2ForCausalLM(config)
    randomise(model, generator, (317,))
    folder = os.path.join(root, "qwen2-untied-bf16")
    _save(folder, model, vocabularies.qwen2(), torch.bfloat16)
    return folder, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


ENCODERS = [bert, bert_mlm]
DECODERS = [llama3, llama_linear, llama_bias, qwen2, qwen2_untied]
