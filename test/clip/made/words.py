"""Sentences of our own in fifteen languages, to learn vocabularies from, and captions to try them on."""
import itertools
import random

# (subjects, verbs or links, places, separator): a language a line.
GRAMMARS = [
    (['a red apple', 'two old bicycles', 'the wooden boat', 'an empty chair', 'my neighbour’s cat', 'a bowl of soup'],
     ['stands near', 'was painted beside', 'is resting under', 'can be seen behind'],
     ['the stone bridge', 'a green door', 'the kitchen window', 'an apple tree', 'the harbour'], ' '),
    (['ein roter Apfel', 'zwei alte Fahrräder', 'das hölzerne Boot', 'ein leerer Stuhl', 'eine Schüssel Suppe'],
     ['steht neben', 'liegt unter', 'wartet hinter', 'lehnt an'],
     ['der Steinbrücke', 'einer grünen Tür', 'dem Küchenfenster', 'dem Apfelbaum', 'großen Häusern'], ' '),
    (['une pomme rouge', 'deux vieux vélos', 'le bateau en bois', 'une chaise vide', 'l’œuvre du maître'],
     ['se trouve près de', 'repose sous', 'attend derrière', 'est posée à côté de'],
     ['la porte verte', 'l’église', 'la fenêtre de la cuisine', 'l’arbre', 'la forêt'], ' '),
    (['una manzana roja', 'dos bicicletas viejas', 'el niño pequeño', 'una silla vacía'],
     ['está cerca de', 'descansa bajo', 'espera detrás de'], ['la montaña', 'la puerta verde', 'el balcón', 'la mañana'], ' '),
    (['uma maçã vermelha', 'o pão quente', 'as irmãs'], ['está junto de', 'dorme sob'], ['a janela', 'o coração da aldeia', 'o avião'], ' '),
    (['červené jablko', 'żółta łódź', 'stará židle', 'szczęśliwy źrebak'], ['stojí vedle', 'leży pod', 'čeká za'],
     ['mostu', 'zielonymi drzwiami', 'kuchyňského okna', 'gałęzią'], ' '),
    (['kırmızı bir elma', 'İki eski bisiklet', 'ahşap tekne', 'boş sandalye'], ['yanında duruyor', 'altında dinleniyor'],
     ['taş köprünün', 'yeşil kapının', 'IŞIKLI ırmağın'], ' '),
    (['красное яблоко', 'два старых велосипеда', 'деревянная лодка', 'пустой стул', 'ёлка'],
     ['стоит возле', 'лежит под', 'ждёт за'], ['каменного моста', 'зелёной двери', 'кухонного окна'], ' '),
    (['ένα κόκκινο μήλο', 'δύο παλιά ποδήλατα', 'ο μικρός δρόμος', 'ΟΔΟΣ'], ['στέκεται δίπλα σε', 'είναι κάτω από'],
     ['την πέτρινη γέφυρα', 'μια πράσινη πόρτα', 'το παράθυρο'], ' '),
    (['تفاحة حمراء', 'دراجتان قديمتان', 'قارب خشبي'], ['بجانب', 'تحت', 'خلف'], ['الجسر الحجري', 'باب أخضر', 'شباك المطبخ'], ' '),
    (['תפוח אדום', 'שני אופניים ישנים'], ['ליד', 'מתחת'], ['גשר האבן', 'דלת ירוקה'], ' '),
    (['एक लाल सेब', 'दो पुरानी साइकिलें', 'लकड़ी की नाव'], ['पत्थर के पुल के पास है', 'हरे दरवाज़े के नीचे है'], ['सुबह', 'आज'], ' '),
    (['แอปเปิ้ลสีแดง', 'จักรยานเก่าสองคัน', 'เรือไม้'], ['อยู่ใกล้', 'อยู่ใต้'], ['สะพานหิน', 'ประตูสีเขียว'], ''),
    (['赤いりんご', '古い自転車が二台', '木のボート', 'ガラスのコップ', '小さなパンダ'], ['が石の橋のそばに', 'が窓の下で'], ['あります', '休んでいます', '見えます'], ''),
    (['一个红苹果', '两辆旧自行车', '木船', '空椅子'], ['在石桥旁边', '在绿门后面', '靠着窗户'], ['休息', '等待', '站着'], ''),
    (['빨간 사과', '오래된 자전거 두 대', '나무 배'], ['돌다리 옆에', '초록색 문 뒤에'], ['있습니다', '서 있다', '보인다'], ' '),
]


def sentences(seed=1, each=160):
    """So many sentences of each language at most, in an order that does not change."""
    rng = random.Random(seed)
    lines = []
    for subjects, verbs, places, space in GRAMMARS:
        made = [space.join(parts) for parts in itertools.product(subjects, verbs, places)]
        made += [line.capitalize() + mark for line, mark in zip(made, itertools.cycle('.!?,;'))]
        rng.shuffle(made)
        lines += made[:each]
    lines += [f'photo {n} of {m}, {y} (no. {n * m})' for n, m, y in zip(range(1, 60), range(90, 500, 7), range(1960, 2030))]
    lines += [f'{n},99 € or ${n} · 50 % off – “{n}th” edition' for n in range(1, 40)]
    rng.shuffle(lines)
    return lines


"""Captions of our own: what tokenizers are known to differ on."""
CAPTIONS = [
    '', ' ', '\t\n', 'a red apple', 'A Red APPLE', '  a   red\tapple \n near the harbour  ', 'a red apple.', 'a_red_apple', 'red-apple.jpg',
    'don’t', "don't", 'it\'s a "red" apple!', '(a red apple)', '50% off', '$5.99 or 5,99 €', '#1 @ home & away', 'C++ / C#', 'a|b\\c', '~^`{}[]<>=+*',
    '<b>red</b> apple', 'a &amp; b', 'caf&eacute;', '&lt;s&gt;', 'http://example.com/a_red-apple.png?w=100&h=50', 'IMG_2034.JPG', 'x' * 300,
    'a red apple ' * 40, 'the harbour, ' * 33, '1234567890', '3.14159', '½ cup', 'x²', '№ 5', '™ ® ©', 'ﬁne ﬂower', 'ＡＢＣ　ｄｅｆ１２３', 'ｶﾞﾗｽ ﾊﾟﾝﾀﾞ', '①②③',
    'café', 'cafe\u0301', 'A\u030angstro\u0308m', 'naïve façade', 'œuvre', 'Straße', 'STRASSE ẞ', 'İstanbul ISPARTA ışık', 'ΟΔΟΣ ΟΔΟΣ', 'Σ', 'ὈΔΥΣΣΕΎΣ',
    'красное яблоко', 'КРАСНОЕ ЯБЛОКО', 'Ёлка е\u0308лка й и\u0306', 'ένα κόκκινο μήλο', 'تفاحة حمراء', 'تُفَّاحَةٌ', 'ﷺ ﻼ ﻻ', 'تفاحة ١٢٣', 'תפוח אדום', 'שָׁלוֹם',
    'एक लाल सेब', 'दरवाज़े क़', 'แอปเปิ้ลสีแดง', 'น้ำ ทำ', '赤いりんごが石の橋のそばにあります', 'パ\u309a ハ\u309a か\u3099', '木のボート、窓。', '一个红苹果在石桥旁边休息', '﨑 神 㐂',
    '빨간 사과', '\u1112\u1161\u11ab\u1100\u1173\u11af', '한국어 ㄱㄴㄷ', 'apple と 赤 и ябл 🍎', '🍎🍏', '👩‍👩‍👧‍👦 family', '🏳️‍🌈', '👍🏽', '🇩🇪🇫🇷', '❤️ ❤', '☃ ☃☃ snow☃man',
    'zero\u200bwidth', 'zero\u200cwidth', 'zero\u200djoin', 'soft\u00adhyphen', 'no\u00a0break', 'thin\u2009space', 'em\u2003space', '\u3000wide\u3000', 'word\u2060joiner', '\ufeffbom',
    'left\u200emark', 'r\u202evoid', 'line\u2028sep', 'next\u0085line', 'bell\u0007 nul\u0000 esc\u001b', 'del\u007f c1\u0091', 'tab\tvt\u000bff\u000c', 'unit\u001fsep', 'obj\ufffc rep\ufffd',
    'curly ‘single’ “double”', 'dash – — ‒ ―', 'ellipsis…', '〜 ～ ~', '・ ･', 'ⅣⅤ ⅳ', 'ǅ ǆ Ǆ', 'ﬀ ﬃ', '㎏ ㍿ ℡', '´ ¨ ¯ ¸', 'ª º', '\u0344', 'q\u0307\u0323 q\u0323\u0307',
    '▁ under ▁▁ line', '▁', 'a▁b', '⁇ unk', '\U0001d400\U0001d7d8 math', '\U00020bb7野家', '\ue000 private', '\u0378 unassigned', 'tail space ', ' head', 'two  spaces', 'a\nb', 'a\r\nb',
    'ZażółĆ gęślą jaźń', 'Příliš žluťoučký kůň', 'Ðe þorn', 'Ŀl', 'ŉ', 'ſs', 'ӐӑӒ', 'Ἀ ἀ ᾳ', 'ﬅ ﬆ', 'i\u0307', 'I\u0307', '\u0130', 'ﾞ', 'ｶ ﾞ', 'a\u0301\u0302\u0303\u0304\u0305\u0306',
    '…and', "rock 'n' roll", 'e.g. U.S.A.', 'a.b.c', '-5 °C', '1 000 000', '10×15 cm', '3/4"', '5′ 10″', '«quotes» ‹q›', '¿qué? ¡sí!', '!!!???', '...', '_', '__a__', '-', "'", '"',
    'the the the the', 'aaaaaaaaaa', 'appleappleapple', 'Pneumonoultramicroscopicsilicovolcanoconiosis', 'ababababab', 'red apple red apple, red. apple',
]
