"""Tiny transformers that read texts, their weights drawn at random, and a tokenizer of a few words."""

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from semlens.model import VisionModel, text_model

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] the a old young dog cat bird sleeps barks sings red blue house tree by under and . rain "
    "fell on sea"
).split()
SENTENCES = (
    "the old dog sleeps .", "a young cat sleeps by the red house .", "the bird sings .", "rain fell on the old house .",
    "the blue bird sings under the tree and the dog barks .", "a dog barks .", "the red cat sleeps on the tree .",
    "a blue sea .", "the young bird sings by the sea .", "rain fell .",
)  # fmt: skip


@cache
def tokenizer(decoder: bool = False) -> PreTrainedTokenizerFast:
    """One token a word; for an encoder between [CLS] and [SEP]."""
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if not decoder:
        marks = [("[CLS]", 2), ("[SEP]", 3)]
        made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    named = {} if decoder else {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", **named)


def bert(classes: int = 0) -> Any:
    """An encoder of two layers, with a classifier where classes are asked for."""
    torch.manual_seed(0)
    config: Any = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.4,
    )  # fmt: skip
    config.num_labels = classes or 2
    return (BertForSequenceClassification(config) if classes else BertModel(config)).eval()


def gpt2() -> Any:
    """A decoder with learned positions."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=40, initializer_range=0.4, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def llama() -> Any:
    """A decoder with rotary positions, gated layers and RMS norms."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, max_position_embeddings=40, initializer_range=0.4, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def studied(name: str, length: int = 16) -> VisionModel:
    """One of these as a studied model."""
    nets = {"bert": bert, "classifier": lambda: bert(3), "gpt2": gpt2, "llama": llama}
    return text_model(nets[name](), tokenizer(name in ("gpt2", "llama")), length=length, name=name)
