"""The tokenizers: trained on the small list of titles, laid out as the real model families lay them out."""

import json
import os
from collections import Counter

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .texts import NASTY, TITLES

QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+")
LLAMA3_SPLIT = QWEN_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


WORDPIECE_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _wordpieces(split, size):
    """The letters, then the commonest beginnings and inner parts of words. Not the library's trainer: what that
    chooses among equals changes from run to run."""
    letters, parts = set(), Counter()
    for title in TITLES:
        for word, _ in split(title):
            letters.update([word[0]] + ["##" + c for c in word[1:]])
            for start in range(len(word)):
                for end in range(start + 2, min(len(word), start + 5) + 1):
                    parts[("##" if start else "") + word[start:end]] += end - start - 1
    names = WORDPIECE_SPECIALS + sorted(letters)
    best = sorted(parts, key=lambda p: (-parts[p], p))
    return {name: i for i, name in enumerate(names + best[:size - len(names)])}


def wordpiece():
    """BERT: lower case, accents off, CJK apart, pieces marked with ##."""
    normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    vocab = _wordpieces(lambda title: splitter.pre_tokenize_str(normalizer.normalize_str(title)), 160)
    tok = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tok.normalizer, tok.pre_tokenizer = normalizer, splitter
    tok.add_special_tokens(WORDPIECE_SPECIALS)
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tok.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return tok, {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "unk_token": "[UNK]", "sep_token": "[SEP]",
                 "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}


def _byte_level(split, vocab_size, specials, normalizer, ignore_merges):
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[])
    tok.train_from_iterator(TITLES, trainer)
    tok.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in specials])
    return tok


def qwen2():
    """Qwen2: NFC, byte-level BPE, one digit at a time, no begin token; the special tokens lie after the pieces."""
    tok = _byte_level(QWEN_SPLIT, 317, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizers.NFC(), False)
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return tok, {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "bos_token": None,
                 "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": None}


def llama3():
    """Llama 3: byte-level BPE, up to three digits together, a begin token in front, whole words before merges."""
    tok = _byte_level(LLAMA3_SPLIT, 317, ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], None, True)
    begin = tok.token_to_id("<|begin_of_text|>")
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                      special_tokens=[("<|begin_of_text|>", begin)]),
    ])
    return tok, {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
                 "eos_token": "<|end_of_text|>"}


def _sentencepiece_model():
    """Pieces learned on words that begin with the sentencepiece blank, put behind the specials and the 256 bytes."""
    learn = Tokenizer(models.BPE())
    learn.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learn.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    learn.train_from_iterator(TITLES, trainers.BpeTrainer(vocab_size=120, show_progress=False, special_tokens=[]))
    state = json.loads(learn.to_str())["model"]
    pieces = sorted(state["vocab"], key=state["vocab"].get)
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + pieces
    merges = [tuple(m) for m in state["merges"]]
    return models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=merges, unk_token="<unk>",
                      byte_fallback=True, fuse_unk=True)


def _sentencepiece_tokenizer():
    tok = Tokenizer(_sentencepiece_model())
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(content=" ", left=1)])
    tok.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in ["<unk>", "<s>", "</s>"]])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tok


def llama2():
    """Llama 2: sentencepiece-like BPE with byte fallback; the blank is put in front by the normalizer."""
    tok = _sentencepiece_tokenizer()
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tok, {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                 "pad_token": None, "add_bos_token": True, "add_eos_token": False, "legacy": True}


def llama2_metaspace():
    """The newer layout of the same: a Metaspace pre-tokenizer that puts the blank before the first piece only."""
    tok = _sentencepiece_tokenizer()
    tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    return tok, {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                 "pad_token": None, "add_bos_token": True, "add_eos_token": False, "legacy": False}


def wordlevel():
    """Whole words, lower case: what a small model trained from scratch may use."""
    tok = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tok.normalizer = normalizers.Lowercase()
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
    tok.train_from_iterator(TITLES, trainers.WordLevelTrainer(vocab_size=140, special_tokens=specials, show_progress=False))
    return tok, {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "bos_token": "[BOS]",
                 "eos_token": "[EOS]", "pad_token": "[PAD]"}


def save(folder, tok, config):
    """Writes tokenizer.json (compact) and tokenizer_config.json."""
    os.makedirs(folder, exist_ok=True)
    tok.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")


def expected(tok, rng):
    """Ids of the nasty texts and decodes, also of id lists that no text gives (cut bytes, specials, chance)."""
    cases = []
    for text in NASTY + TITLES[:6]:
        ids = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = False
        case = {"text": text, "ids": ids, "decoded": tok.decode(ids, skip_special_tokens=True)}
        if len(cases) < 6:
            case["with_specials"] = tok.encode(text).ids
        if plain != ids:
            case["ids_plain"] = plain
        cases.append(case)
    decodes = []
    size = tok.get_vocab_size()
    longest = tok.encode("日本 Café 👍🏽 tea", add_special_tokens=False).ids
    lists = [longest[i:] for i in range(min(6, len(longest)))] + [longest[:-i] for i in range(1, min(6, len(longest)))]
    lists += [[rng.randrange(size) for _ in range(12)] for _ in range(12)] + [[size - 1], list(range(8))]
    for ids in lists:
        decodes.append({"ids": ids, "text": tok.decode(ids, skip_special_tokens=True)})
    return {"vocab": size, "cases": cases, "decodes": decodes}
