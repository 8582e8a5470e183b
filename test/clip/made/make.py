"""Makes a small SigLIP and a small multilingual CLIP, with random weights and vocabularies learnt from words.py, as they are
published: SigLIP as exported for transformers.js, the other as open_clip's xlm-roberta-base-ViT-B-32 is for immich. And what
transformers and open_clip make of captions and pictures with them.

    python make.py OUT [--captions FIXTURE] [--rules nmt_nfkc]

--captions: expected.json of a CLIP fixture; the ids of its tokens' texts are written too, without the texts.
--rules: SentencePiece's own table of characters in place of the small one here (350 kB in each tokenizer.json).
Made with torch 2.5.1, transformers 4.57.6, tokenizers 0.22.2, sentencepiece 0.2.3, open_clip_torch 2.32.0, onnx 1.23.2.
"""
import argparse
import json
import os
import re
import shutil
import string
import unicodedata

import open_clip
import sentencepiece
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.tokenizer import _clean_canonicalize, _clean_whitespace
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import VisionTransformer
from PIL import Image, ImageDraw
from tokenizers import Regex, normalizers, processors
from transformers import (PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipTokenizer,
                          T5TokenizerFast, XLMRobertaConfig, XLMRobertaTokenizer, XLMRobertaTokenizerFast)
from transformers.convert_slow_tokenizer import SpmConverter

import words

torch.backends.mha.set_fastpath_enabled(False)  # it has no ONNX
SIDE, WIDTH, EMBEDDED = 48, 16, 40
parser = argparse.ArgumentParser()
parser.add_argument('out')
parser.add_argument('--captions')
parser.add_argument('--rules')
options = parser.parse_args()
OUT = options.out
os.makedirs(OUT, exist_ok=True)


def save(path, value):
    os.makedirs(os.path.dirname(f'{OUT}/{path}'), exist_ok=True)
    with open(f'{OUT}/{path}', 'w') as f:
        json.dump(value, f, ensure_ascii=False, indent=1 if path.endswith('config.json') else None)


def rules():
    """NFKC of some blocks, compositions, white space and controls: the kinds of rules that nmt_nfkc has, a twentieth of them."""
    table = {}
    blocks = [(0xff01, 0xffbe), (0xfb00, 0xfb06), (0x2070, 0x209c), (0x2100, 0x2139), (0x2160, 0x217f), (0x2460, 0x2473),
              (0xb2, 0xbe), (0x1c4, 0x1cc), (0xfe70, 0xfefc), (0x3000, 0x3000), (0x2026, 0x2026)]
    for first, last in blocks:
        for code in range(first, last + 1):
            folded = unicodedata.normalize('NFKC', chr(code))
            if folded != chr(code):
                table[chr(code)] = folded
    for code in [*range(0xc0, 0x180), *range(0x386, 0x3cf), *range(0x400, 0x460), *range(0x304c, 0x30ff), *range(0x1e00, 0x1eff)]:
        parts = unicodedata.normalize('NFD', chr(code))
        if len(parts) > 1:
            table[parts] = chr(code)
    for half in map(chr, range(0xff66, 0xff9e)):
        for mark in 'ﾞﾟ':
            folded = unicodedata.normalize('NFKC', half + mark)
            if len(folded) == 1:
                table[half + mark] = folded
    for code in [9, 10, 12, 13, 0xa0, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202f, 0x2581, 0xfeff, 0xfffd]:
        table[chr(code)] = ' '
    for code in [*range(1, 9), 11, *range(14, 32), 127, 0x8f, 0x9f]:
        table[chr(code)] = ''
    path = f'{OUT}/rules.tsv'
    with open(path, 'w') as f:
        for source, target in table.items():
            f.write(' '.join(f'{ord(c):X}' for c in source) + '\t' + ' '.join(f'{ord(c):X}' for c in target) + '\n')
    return path


def train(name, **ids):
    given = {'normalization_rule_name': options.rules} if options.rules else {'normalization_rule_tsv': rules()}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words.sentences()), model_prefix=f'{OUT}/{name}', vocab_size=900, character_coverage=0.98,
        hard_vocab_limit=False, num_threads=1, minloglevel=2, **given, **ids)
    return f'{OUT}/{name}.model'


class SiglipConverter(SpmConverter):
    """tokenizer.json of a SiglipTokenizer, of which transformers 4 has only the slow one."""

    def normalizer(self, proto):
        return normalizers.Sequence([
            normalizers.Lowercase(), normalizers.Replace(Regex('[' + re.escape(string.punctuation) + ']'), ''),
            normalizers.Replace(Regex(r'\s+'), ' '), normalizers.Strip(),
            normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Replace(Regex(' {2,}'), ' ')])

    def post_processor(self):
        return processors.TemplateProcessing(single=['$A', '</s>'], special_tokens=[('</s>', 1)])


def siglip_tokenizers(model):
    slow = SiglipTokenizer(model)
    fast = PreTrainedTokenizerFast(tokenizer_object=SiglipConverter(slow).converted(), eos_token='</s>', pad_token='</s>',
                                   unk_token='<unk>', model_max_length=64)
    fast.save_pretrained(f'{OUT}/siglip')
    with open(f'{OUT}/siglip/tokenizer_config.json') as f:
        save('siglip/tokenizer_config.json', {**json.load(f), 'tokenizer_class': 'SiglipTokenizer', 'do_lower_case': True})
    return slow, fast


def vary(model, seed):
    """The usual initial weights are so small that all embeddings are nearly one; these are not."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if 'token_embedding' in name or 'word_embeddings' in name:
                p.normal_(0, 2)
            elif 'embedding' in name and 'patch' not in name:
                p.normal_(0, 0.5)
            elif 'q_proj.weight' in name or 'k_proj.weight' in name:
                # Attention that chooses: else the last token, which SigLIP takes, hardly knows of the others.
                p.normal_(0, 4 / p.shape[1] ** 0.5)
            elif p.dim() > 1:
                p.normal_(0, 1.5 / (p.numel() / p.shape[0]) ** 0.5)
            elif name.endswith('bias'):
                p.normal_(0, 0.05)
    return model.eval().requires_grad_(False)


class Output(torch.nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, x):
        return self.call(x)


def export(module, x, path, inputs, outputs):
    os.makedirs(os.path.dirname(f'{OUT}/{path}'), exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(module, (x,), f'{OUT}/{path}', input_names=list(inputs), output_names=list(outputs),
                          dynamic_axes={**inputs, **outputs}, opset_version=17, dynamo=False)


def pictures():
    """Drawings at sizes that are scaled down and up, wide and high."""
    made = {}
    for i, (width, height) in enumerate([(90, 67), (48, 48), (31, 77)]):
        image = Image.new('RGB', (width, height))
        image.putdata([(x * 255 // width, y * 255 // height, (x * y * 7 + i * 50) % 256) for y in range(height) for x in range(width)])
        draw = ImageDraw.Draw(image)
        draw.ellipse([width // 5, height // 4, width // 2, height // 1.4], fill=(230, 40 * i, 30))
        draw.rectangle([width // 2, height // 2, width - 4, height - 6], outline=(255, 255, 255), width=2)
        made[f'{width}x{height}.png'] = image
        os.makedirs(f'{OUT}/images', exist_ok=True)
        image.save(f'{OUT}/images/{width}x{height}.png')
    return made


def rounded(rows):
    return [[round(v, 6) for v in row] for row in torch.nn.functional.normalize(rows, dim=-1).tolist()]


def make_siglip(slow, fast, captions, images):
    size = dict(hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2, num_attention_heads=2)
    config = SiglipConfig(text_config={**size, 'vocab_size': len(fast)}, vision_config={**size, 'image_size': SIDE, 'patch_size': 12})
    config._attn_implementation = 'eager'
    model = vary(SiglipModel(config), 1)
    # Published ones name what differs from the classes' defaults, as here; the context length of 64 is one of these.
    save('siglip/config.json', {'architectures': ['SiglipModel'], 'model_type': 'siglip',
                                'text_config': {**size, 'model_type': 'siglip_text_model', 'vocab_size': len(fast)},
                                'vision_config': {**size, 'model_type': 'siglip_vision_model', 'image_size': SIDE, 'patch_size': 12}})
    processor = SiglipImageProcessor(size={'height': SIDE, 'width': SIDE})
    save('siglip/preprocessor_config.json', processor.to_dict())
    batch = {0: 'batch_size'}
    both = {'last_hidden_state': batch, 'pooler_output': batch}
    export(Output(lambda x: tuple(model.vision_model(pixel_values=x)[:2])), torch.randn(2, 3, SIDE, SIDE),
           'siglip/onnx/vision_model.onnx', {'pixel_values': batch}, both)
    export(Output(lambda x: tuple(model.text_model(input_ids=x)[:2])), torch.ones(2, 64, dtype=torch.long),
           'siglip/onnx/text_model.onnx', {'input_ids': {0: 'batch_size', 1: 'sequence_length'}}, both)
    with torch.no_grad():
        texts = slow(captions, padding='max_length', truncation=True, max_length=64, return_tensors='pt').input_ids
        pixels = processor(list(images.values()), return_tensors='pt').pixel_values
        return rounded(model.get_text_features(input_ids=texts)), rounded(model.get_image_features(pixel_values=pixels))


def make_xlm_roberta(fast, captions, images):
    size = dict(hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2, num_attention_heads=2)
    config = XLMRobertaConfig(**size, vocab_size=len(fast), max_position_embeddings=80, type_vocab_size=1, pad_token_id=1,
                              bos_token_id=0, eos_token_id=2, attn_implementation='eager')
    config.save_pretrained(f'{OUT}/tower')
    text = HFTextEncoder(f'{OUT}/tower', output_dim=16, config=config, pooler_type='mean_pooler', proj_type='mlp', pretrained=False)
    text = vary(text, 2)
    vision = vary(VisionTransformer(image_size=SIDE, patch_size=12, width=WIDTH, layers=2, heads=2, mlp_ratio=2, output_dim=16), 3)
    preprocess = PreprocessCfg(size=SIDE, mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD)
    save('xlm-roberta/config.json', {
        'embed_dim': 16, 'vision_cfg': {'image_size': SIDE, 'layers': 2, 'width': WIDTH, 'patch_size': 12},
        'text_cfg': {'hf_model_name': 'xlm-roberta-base', 'hf_tokenizer_name': 'xlm-roberta-base', 'hf_pooler_type': 'mean_pooler'}})
    save('xlm-roberta/visual/preprocess_cfg.json', {
        'size': [SIDE, SIDE], 'mode': 'RGB', 'mean': preprocess.mean, 'std': preprocess.std, 'interpolation': 'bicubic',
        'resize_mode': 'shortest', 'fill_color': 0})
    normalize = torch.nn.functional.normalize
    export(Output(lambda x: normalize(vision(x), dim=-1)), torch.randn(1, 3, SIDE, SIDE), 'xlm-roberta/visual/model.onnx', {'image': {}}, {'embedding': {}})
    export(Output(lambda x: normalize(text(x), dim=-1)), torch.ones(1, 77, dtype=torch.int32), 'xlm-roberta/textual/model.onnx', {'text': {}}, {'embedding': {}})
    with torch.no_grad():
        cleaned = [_clean_whitespace(caption) for caption in captions]
        ids = fast(cleaned, padding='max_length', truncation=True, max_length=77, return_tensors='pt').input_ids
        transform = image_transform_v2(preprocess, is_train=False)
        return rounded(text(ids)), rounded(vision(torch.stack([transform(image) for image in images.values()])))


def main():
    spiece = train('siglip', pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    slow, fast = siglip_tokenizers(spiece)
    # What open_clip's SigLIPs have: a T5 tokenizer of the same SentencePiece model.
    t5 = T5TokenizerFast(spiece, extra_ids=0, pad_token='</s>')
    t5.save_pretrained(f'{OUT}/t5')
    bpe = train('xlm', unk_id=0, bos_id=1, eos_id=2)
    xlm_slow, xlm = XLMRobertaTokenizer(bpe), XLMRobertaTokenizerFast(bpe)
    # As published: older files have white space split first, and no more than the table before.
    xlm.save_pretrained(f'{OUT}/xlm-roberta/textual')
    with open(f'{OUT}/xlm-roberta/textual/tokenizer.json') as f:
        published = json.load(f)
    published['normalizer'] = published['normalizer']['normalizers'][0]
    published['pre_tokenizer'] = {'type': 'Sequence', 'pretokenizers': [{'type': 'WhitespaceSplit'}, published['pre_tokenizer']]}
    save('xlm-roberta/textual/tokenizer.json', published)
    older = XLMRobertaTokenizerFast(tokenizer_file=f'{OUT}/xlm-roberta/textual/tokenizer.json')

    def ids(tokenizer, text, length):
        return tokenizer(text, truncation=True, max_length=length).input_ids

    def all_ids(text):
        found = {'siglip': ids(fast, text, 64), 'siglip_slow': ids(slow, text, 64), 'open_clip_siglip': ids(t5, _clean_canonicalize(text), 64),
                 'xlm_roberta': ids(older, text, 77), 'xlm_roberta_slow': ids(xlm_slow, text, 77),
                 'xlm_roberta_newer': ids(xlm, text, 77), 'open_clip_xlm_roberta': ids(older, _clean_whitespace(text), 77)}
        for name, same in [('siglip_slow', 'siglip'), ('xlm_roberta_slow', 'xlm_roberta'), ('xlm_roberta_newer', 'xlm_roberta'),
                           ('open_clip_xlm_roberta', 'xlm_roberta')]:
            if found[name] == found[same]:
                del found[name]
        return found

    captions = [{'text': text, **all_ids(text)} for text in words.CAPTIONS]
    images = pictures()
    some = [c for c in words.CAPTIONS if c.strip()][:EMBEDDED]
    siglip, xlm_roberta = make_siglip(slow, fast, some, images), make_xlm_roberta(older, some, images)
    expected = {'captions': captions, 'embedded': some, 'images': list(images), 'siglip': dict(zip(['texts', 'images'], siglip)),
                'xlm_roberta': dict(zip(['texts', 'images'], xlm_roberta))}
    if options.captions:
        with open(options.captions) as f:
            texts = [token['text'] for token in json.load(f)['tokens']]
        # A lone surrogate is no text to either.
        expected['shared'] = [all_ids(t) if t.encode('utf-8', 'ignore').decode() == t else None for t in texts]
    with open(f'{OUT}/expected.json', 'w') as f:
        f.write('{\n' + ',\n'.join(
            f'{json.dumps(key)}: ' + ('[\n' + ',\n'.join(json.dumps(v, ensure_ascii=False) for v in value) + '\n]' if isinstance(value, list) else json.dumps(value))
            for key, value in expected.items()) + '\n}\n')
    # Of open_clip's what differs from siglip/tokenizer.json; the table of characters is the same.
    with open(f'{OUT}/t5/tokenizer.json') as f:
        whole = json.load(f)
    table = whole['normalizer']['normalizers'][0].pop('precompiled_charsmap')
    with open(f'{OUT}/siglip/tokenizer.json') as f:
        assert table in f.read()
    save('open_clip_siglip.json', {key: whole[key] for key in ['normalizer', 'pre_tokenizer', 'post_processor', 'added_tokens']})
    for path in ['tower', 't5']:
        shutil.rmtree(f'{OUT}/{path}')
    for path in ['siglip.model', 'siglip.vocab', 'xlm.model', 'xlm.vocab', 'rules.tsv', 'siglip/special_tokens_map.json',
                 'xlm-roberta/textual/special_tokens_map.json', 'xlm-roberta/textual/sentencepiece.bpe.model']:
        if os.path.exists(f'{OUT}/{path}'):
            os.remove(f'{OUT}/{path}')


main()
