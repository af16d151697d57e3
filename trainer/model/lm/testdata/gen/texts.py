"""Product titles to train the tokenizers on, and texts that break careless tokenizers. All invented."""

TITLES = [
    "Red Enamel Teapot 1.2 L", "Blue Enamel Teapot 0.8 L", "Glass Tea Cup, Set of 4", "Glass Tea Cup, Set of 6",
    "Cotton Tea Towel with Robin", "Cotton Tea Towel with Fox", "Linen Apron, Navy", "Linen Apron, Sage Green",
    "White Ceramic Heart Light Holder", "Hanging Heart Candle Holder", "Wooden Picture Frame 10x15 cm",
    "Wooden Picture Frame 13x18 cm", "Small Heart Shaped Cake Tin", "Large Cake Tin Vintage Rose",
    "Vintage Rose Paper Napkins", "Paper Chain Kit Retro Spot", "Retro Spot Lunch Box", "Retro Spot Storage Jar",
    "Jumbo Bag Strawberry", "Jumbo Bag Red Retro Spot", "Lunch Bag Cars Blue", "Lunch Bag Woodland Animals",
    "Hydrating Face Cream 50 ml", "Hydrating Face Serum 30 ml", "Rose Water Face Toner 200 ml",
    "Argan Oil Hair Mask 250 ml", "Argan Oil Shampoo 400 ml", "Coconut Oil Shampoo 400 ml", "Charcoal Tooth Paste 75 ml",
    "Matte Lip Stick Crimson No. 7", "Matte Lip Stick Coral No. 3", "Lip Balm Honey & Almond", "Men's Beard Oil Cedar",
    "Women's Running Socks (3 Pairs)", "Kid's Rain Jacket 4-5 Years", "Café Crème Mug, 300 ml", "Crème Brûlée Torch",
    "USB-C Cable 2 m, Braided", "USB-C Charger 65 W", "Wireless Mouse, Black", "Mechanical Keyboard 87 Keys",
    "Notebook A5 Dotted 120 gsm", "Fountain Pen Medium Nib", "Ink Bottle Royal Blue 50 ml", "Garden Trowel Stainless Steel",
    "Seed Mix Wild Flowers 100 g", "Bird Feeder Copper", "Alarm Clock Bakelike Green", "Alarm Clock Bakelike Pink",
    "Set of 3 Cake Tins Pantry Design",
]

# Small catalogue that held generation may answer with: shared beginnings, one title that is the beginning of
# another one, one title of a single word.
CATALOGUE = [
    "Red Enamel Teapot 1.2 L", "Red Enamel Mug", "Glass Tea Cup", "Glass Tea Cup, Set of 4", "Lunch Bag Cars Blue",
    "Lunch Box", "Teapot", "Retro Spot Storage Jar",
]

PROMPTS = ["Blue Tea", "Rose Cup, Mug", "Mug"]

NASTY = [
    "", " ", "   ", "Red Enamel Teapot 1.2 L", "  leading and trailing  ", "tabs\tand\nnew\r\nlines\n\n\nthree",
    "MEN'S 5'11\" don't DON'T we'll", "Café crème brûlée", "Cafe\u0301 cre\u0300me (combining)", "İstanbul ıI ŞşĞğ",
    "Straße ẞ ΌΣΟΣ Σίσυφος", "日本語の急須 1.2L 茶", "중국어 찻주전자", "чайник эмалированный №7", "إبريق شاي أحمر",
    "लाल चायदानी", "ไทยไม่มีช่องว่าง", "👩‍👩‍👧‍👦 family 🇬🇧 👍🏽 ☕️", "ｆｕｌｌ ｗｉｄｔｈ １２３", "12345678901 3.14 1,000.50 $12.99 50%",
    "http://example.org/a?b=c&d=e#f", "snake_case camelCase kebab-case a/b\\c", "!!!???...---___", "a" * 120, "ab " * 40,
    "zero\u200bwidth\ufeffbom soft\u00adhyphen nbsp\u00a0x", "line\u2028sep\u2029para\u0085nel\u000bvt\u000cff", "ctrl\x00\x01\x1f\x7f end",
    "bad \ufffd replacement", "\ue000 private \U0010ffff", "▁underline ▁▁ _", "ĠGpt Ċ", "x ² ½ ⅷ ﬁ Ⅻ", "«quotes» “curly” ‘single’",
    "tokens [CLS] [SEP] [MASK] [PAD] [UNK] inside", "tokens <s> </s> <unk> <0x41> inside",
    "tokens <|endoftext|> <|im_start|>user<|im_end|> inside", "tokens <|begin_of_text|> <|eot_id|><|end_of_text|> inside",
    "mixed日本text漢字words", "e\u0301\u0302\u0303 stacked", "ＡＢＣ㍿ Ω Å", "##wordpiece ##ing", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "fin.",
]

SENTENCES = [
    "Red Enamel Teapot 1.2 L", "Blue Enamel Teapot 0.8 L", "Cotton Tea Towel with Robin", "Hydrating Face Cream 50 ml",
    "USB-C Charger 65 W", "Fountain Pen Medium Nib", "Café Crème Mug, 300 ml", "Men's Beard Oil Cedar",
    "日本語の急須 1.2L", "чайник эмалированный", "👩‍👩‍👧‍👦 family mug ☕️", "", "mug", "MUG", "Straße",
    "Lip Balm Honey & Almond [SEP] Lip Balm Honey", "12345678901 3.14 $12.99", "a" * 120,
    "Argan Oil Shampoo 400 ml, Coconut Oil Shampoo 400 ml, Argan Oil Hair Mask 250 ml, Rose Water Face Toner 200 ml, "
    "Charcoal Tooth Paste 75 ml, Matte Lip Stick Crimson No. 7, Garden Trowel Stainless Steel, Bird Feeder Copper",
    "word " * 400,
]
