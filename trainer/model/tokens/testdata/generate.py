#!/usr/bin/env python3
"""Writes the fixtures of package tokens: small tokenizers of every kind, and what Hugging Face's tokenizers makes of nasty texts.

    python3 generate.py                needs the package tokenizers (written with 0.23.3)
    MINILM=DIR python3 generate.py     writes minilm.json too, from MiniLM's tokenizer.json in DIR

Each folder holds tokenizer.json and cases.json: a list of [text, ids, decoded], ids without special tokens.
"""
import json
import os
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
CORPUS = """
WHITE HANGING HEART T-LIGHT HOLDER. CREAM CUPID HEARTS COAT HANGER, KNITTED UNION FLAG HOT WATER BOTTLE
Xtreme Brite Brightening Gel 1oz. WAWO 15 Color Professionl Makeup Eyeshadow Camouflage Facial Concealer Neutral Palette
Set of 6 T-lights; 12 pencils in a small tube (red/blue) - "woodland"; don't they'll we've I'm you're he'd it's 100% pure
Shampooing à l'huile d'argan, crème brûlée, Größe 42, naïve façade, señor, Ελληνικά σοφός, русский язык, 日本語の本, 한국어
The next item the user will buy after these items: history newest first, titles of the catalogue are shown below
""".strip().split("\n") * 4

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "  two  spaces  ", "\ttab\nnewline\r\ncrlf\n\n\nthree", "trailing   ", "x   \n  y",
    "WHITE HANGING HEART T-LIGHT HOLDER", "Xtreme Brite Brightening Gel 1oz.", "SET/6 RED SPOTTY PAPER PLATES, 12\"x7\" (£4.95)",
    "don't DON'T they'll I'M we've it'S y'all o'clock 'tis ''' 'ſ", "1 12 123 1234 12345 1,234.56 ½ ² Ⅷ ٣٤ ०१",
    "Crème brûlée façade naïve", "Cre\u0300me bru\u0302le\u0301e", "ÅÄÖ åäö ﬁ ﬂ ß ẞ İstanbul ıI ǅ", "ΣΟΦΟΣ σοφος Ἀθῆναι",
    "日本語のテキスト漢字かな", "中文字符和English混合", "한국어 텍스트", "\u1112\u1161\u11ab", "русский Ёлка й", "العربية مَرْحَبًا", "עִבְרִית", "हिन्दी में की", "ไทยภาษา",
    "emoji 😀👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️", "zero\u200bwidth\u200djoin\ufeffbom", "nbsp\u00a0here\u2003em\u3000ideographic\u2028line\u0085nel",
    "soft\u00adhyphen ctrl\u0001\u0000\u007f x", "\ufffd replacement", "“quotes” ‘single’ – — … • ™ © ® € £ ¥ § ¶ † ‡", "a_b c-d e.f g/h i\\j k|l m~n",
    "!!! ??? ... ,,, ;;; ### @@@ $$$ %%% ^^^ &&& *** ((())) [[]] {{}}", "http://example.com/a?b=c&d=e#f user@example.com",
    "x" * 104, "á" * 60, "ab" * 40, "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠀀 🀄", "\ud7ff\ue000\U0010ffff", "mixed日本and中文with한국",
    "<s> </s> <unk> [UNK] [CLS] x [SEP] <|endoftext|> a<|endoftext|>b  <|im_start|>user", "▁under ▁▁bar _", "<0x41> <0xC3> <0xA9>",
    "a\u0301\u0316\u0317 combining e\u0323\u0302", "e\u0301", "\u00e9", "z" + "\u0301" * 40, "\u212b \u2126 \u01c5", "tab\there", "\n", "\n\n", " \n ", "a\n b\n  c", "end\n",
    "MixedCASE camelCase snake_case kebab-case", "1st 2nd 3rd 10th 5kg 3.5ml 10x10cm", "  leading", "q  q   q    q", "A\u00a0\u00a0B", "…", "don’t",
]

GPT_PIECES = r"\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?"
LLAMA3 = HEAD + GPT_PIECES % r"\p{N}{1,3}"
QWEN2 = HEAD + GPT_PIECES % r"\p{N}"


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    train(t, trainers.WordPieceTrainer(vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return t


def cased():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    t.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    t.decoder = decoders.WordPiece(cleanup=False)
    train(t, trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]"]))
    return t


def byte_level(pattern, normalizer=None, ignore_merges=False):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        t.normalizer = normalizer
    if pattern:
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    train(t, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"]))
    t.add_special_tokens([AddedToken("<|im_start|>", normalized=False), AddedToken("<|im_end|>", normalized=False, lstrip=True, rstrip=True)])
    t.add_tokens([AddedToken("HEART", single_word=True), AddedToken("oz", normalized=True)])
    return t


def llama2(split):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.normalizer = spaces
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    words = [w for line in CORPUS for w in line.split()]
    alphabet = sorted({c for w in words for c in w if ord(c) < 0x250})
    train(t, trainers.BpeTrainer(vocab_size=560, special_tokens=tokens, initial_alphabet=alphabet, limit_alphabet=90))
    spec = json.loads(t.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    spec["normalizer"] = None if split else spec["normalizer"]
    spec["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False} if split else None
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return Tokenizer.from_str(json.dumps(spec))


def unknowns():
    """Byte fallback that lacks bytes, unknown tokens one by one, an end-of-word suffix."""
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])
    t.decoder = decoders.BPEDecoder()
    train(t, trainers.BpeTrainer(vocab_size=250, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=30))
    return t


def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace()
    train(t, trainers.WordLevelTrainer(vocab_size=120, special_tokens=["<pad>", "<unk>"]))
    return t


def train(t, trainer):
    trainer.show_progress = False
    t.train_from_iterator(CORPUS, trainer)


def cases(t, texts):
    out = []
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            continue
        ids = t.encode(text, add_special_tokens=False).ids
        out.append([text, ids, t.decode(ids)])
    # ids in an order no text has: broken characters, pieces without a beginning
    size, state = t.get_vocab_size(), 1
    for _ in range(12):
        ids = []
        for _ in range(12):
            state = (state * 1103515245 + 12345) % (1 << 31)
            ids.append((state >> 8) % size)
        out.append([None, ids, t.decode(ids)])
    return out


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


for name, t in {
    "wordpiece": wordpiece(), "cased": cased(), "qwen2": byte_level(QWEN2, normalizers.NFC()), "llama3": byte_level(LLAMA3, None, True),
    "gpt2": byte_level(None), "llama2": llama2(False), "llama2-split": llama2(True), "unknowns": unknowns(), "wordlevel": word_level(),
}.items():
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    write(folder / "tokenizer.json", json.loads(t.to_str()))
    write(folder / "cases.json", cases(t, TEXTS))

if os.environ.get("MINILM"):
    minilm = Tokenizer.from_file(os.path.join(os.environ["MINILM"], "tokenizer.json"))
    minilm.no_truncation()
    minilm.no_padding()
    write(HERE / "minilm.json", cases(minilm, TEXTS))
