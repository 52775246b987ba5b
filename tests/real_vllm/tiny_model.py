# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a tiny random Llama and its tokenizer. Runs under the release's own interpreter: `tiny_model.py DIRECTORY`.

The server's own transformers writes the files, so that each release gets a format that it knows.
"""

from __future__ import annotations

import sys

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXT = """
An adapter is served by its name. The site declares which adapters it wants, and every server keeps what was declared.
When somebody unloads one behind our back, the audit finds the drift and the next run heals it.
No adapter that is wanted goes missing because of us, and a server that is down is not called empty.
"""


def write_tiny_model(directory: str) -> None:
    """Write the model that tests/stand_in/adapters.py fits: hidden size 64, 2 layers, 2 heads of 32."""
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator([TEXT], vocab_size=512, min_frequency=1, special_tokens=["<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trainer._tokenizer, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
        # Weights large enough that greedy decoding wanders: with the usual 0.02 it repeats one token, adapter or not.
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for token in range(len(tokenizer)):
            if not _is_readable(tokenizer.decode([token])):
                model.lm_head.weight[token] = 0  # greedy decoding never takes it: no control characters, no early end
    model.to(torch.bfloat16).save_pretrained(directory)


def _is_readable(text: str) -> bool:
    return text.isascii() and text.isprintable() and text not in ("<s>", "</s>")


if __name__ == "__main__":
    write_tiny_model(sys.argv[1])
