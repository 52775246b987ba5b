# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of adapters that PEFT trains: the name, what vLLM does with it as measured, and how it is made.

See kinds.py for the words. An entry that vLLM serves as it was trained has to be valid to us, and no other.
Not here: adapters of experts, for which vLLM has no kernel on a CPU; and adapters of a classification head, which says no
next token.
"""

from __future__ import annotations

from tests.real_vllm.peft.catalogue_of_files import KINDS_OF_FILES
from tests.real_vllm.peft.kinds import PROMPT, TIED, VOCABULARY, Kind, Outcome, lora

SERVED, NO_EFFECT, OTHER, REFUSED = Outcome.SERVED, Outcome.NO_EFFECT, Outcome.OTHER, Outcome.REFUSED

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]


MODULES = (
    Kind("q_proj and v_proj", SERVED, lora()),
    Kind("attention", SERVED, lora(ATTENTION)),
    Kind("MLP", SERVED, lora(MLP)),
    Kind("k_proj", SERVED, lora(["k_proj"])),
    Kind("up_proj", SERVED, lora(["up_proj"])),
    Kind("all-linear", SERVED, lora("all-linear")),
    Kind("all-linear and lm_head", SERVED, lora([*ATTENTION, *MLP, "lm_head"])),
    Kind("pattern of modules", SERVED, lora(r".*\.self_attn\.(q|o)_proj")),
    Kind("one layer", SERVED, lora(layers_to_transform=[1])),
    Kind("one layer by pattern", SERVED, lora(layers_to_transform=[0], layers_pattern="layers")),
    Kind("excluded modules", SERVED, lora("all-linear", exclude_modules=r".*layers\.0.*")),
    Kind("target_parameters", SERVED, lora([], target_parameters=["q_proj.weight", "up_proj.weight"])),
    Kind("lm_head", SERVED, lora(["lm_head"])),
    Kind("embed_tokens", SERVED, lora(["embed_tokens"])),
    Kind("embed_tokens and lm_head", SERVED, lora(["embed_tokens", "lm_head", "q_proj"])),
    Kind("embed_tokens, saved without it", SERVED, lora(["embed_tokens", "q_proj"]), saved="without embeddings"),
)

RANKS = (
    Kind("rank 1", SERVED, lora(r=1)),
    Kind("largest rank", SERVED, lora(r=16)),
    Kind("rank above the limit", REFUSED, lora(r=17)),
    Kind("rank_pattern", SERVED, lora(ATTENTION, rank_pattern={"v_proj": 16, r"layers\.1\.self_attn\.k_proj": 2})),
    Kind("rank_pattern above the limit", REFUSED, lora(rank_pattern={"v_proj": 32})),
    Kind("rank_pattern that matches nothing", SERVED, lora(rank_pattern={"c_attn": 4})),
    Kind("alpha_pattern", SERVED, lora(ATTENTION, alpha_pattern={"v_proj": 64, r"0\.self_attn\.q_proj": 2.5})),
    Kind("both patterns", SERVED, lora("all-linear", rank_pattern={"q_proj": 4}, alpha_pattern={"q_proj": 1})),
    Kind("rsLoRA", SERVED, lora(use_rslora=True)),
    Kind(
        "rsLoRA with both patterns",
        SERVED,
        lora(use_rslora=True, rank_pattern={"q": 2, "v_proj": 2}, alpha_pattern={"v_proj": 3}),
    ),
    Kind("alpha with a fraction", SERVED, lora(lora_alpha=12.5)),
    Kind("negative alpha", SERVED, lora(lora_alpha=-16)),
    Kind("alpha 0", NO_EFFECT, lora(lora_alpha=0)),
    Kind("alpha 0 for one module", SERVED, lora(alpha_pattern={"q_proj": 0})),
    Kind("alpha 0 for all modules", NO_EFFECT, lora(alpha_pattern={"q_proj": 0, "v_proj": 0})),
    Kind("alpha 0 but for one module", SERVED, lora(lora_alpha=0, alpha_pattern={"q_proj": 16})),
    Kind("dropout", SERVED, lora(lora_dropout=0.3)),
)

STARTS = (
    Kind("untrained", SERVED, lora(), untrained=True),
    Kind("random start", SERVED, lora(init_lora_weights=False)),
    Kind("gaussian start", SERVED, lora(init_lora_weights="gaussian")),
    Kind("orthogonal start", SERVED, lora(init_lora_weights="orthogonal")),
    Kind("EVA", SERVED, lora(init_lora_weights="eva"), start="EVA"),
    Kind("LoRA-GA", OTHER, lora(init_lora_weights="lora_ga", lora_ga_config={}), start="LoRA-GA"),
    Kind(
        "LoRA-GA, converted",
        SERVED,
        lora(init_lora_weights="lora_ga", lora_ga_config={}),
        start="LoRA-GA",
        saved="converted",
    ),
    Kind("CorDA, converted", SERVED, lora(init_lora_weights="corda"), start="CorDA", saved="converted"),
    Kind("MiCA", SERVED, lora(init_lora_weights="mica")),
    Kind("PiSSA", REFUSED, lora(init_lora_weights="pissa")),
    Kind("PiSSA by iteration", REFUSED, lora(init_lora_weights="pissa_niter_4")),
    Kind("PiSSA, converted", SERVED, lora(init_lora_weights="pissa"), saved="converted"),
    Kind("OLoRA", REFUSED, lora(init_lora_weights="olora")),
    Kind("OLoRA, converted", SERVED, lora(init_lora_weights="olora"), saved="converted"),
    Kind("CorDA", REFUSED, lora(init_lora_weights="corda"), start="CorDA"),
    Kind("LoftQ", REFUSED, lora(), edited={"init_lora_weights": "loftq"}),
)

VARIANTS = (
    Kind("DoRA", REFUSED, lora(use_dora=True)),
    Kind("bias of LoRA", REFUSED, lora(lora_bias=True)),
    Kind("bias all", REFUSED, lora(bias="all")),
    Kind("bias lora_only", REFUSED, lora(bias="lora_only")),
    Kind("aLoRA", REFUSED, lora(alora_invocation_tokens=list(PROMPT[20:22]))),
    Kind(
        "BD-LoRA",
        REFUSED,
        lora(
            use_bdlora={
                "target_modules_bd_a": ["o_proj"],
                "target_modules_bd_b": ["q_proj"],
                "nblocks": 2,
                "match_strict": False,
            }
        ),
    ),
    Kind("QALoRA", REFUSED, lora(use_qalora=True, qalora_group_size=16)),
    Kind("KaSA", REFUSED, lora(kasa_config={})),
    Kind("MonteCLoRA", REFUSED, lora(monteclora_config={})),
    Kind("VeLoRA", REFUSED, lora(velora_config={})),
    Kind("layer_replication", REFUSED, lora(layer_replication=[[0, 2], [1, 2]])),
    Kind("trained lm_head", REFUSED, lora(modules_to_save=["lm_head"])),
    Kind("trained embed_tokens", REFUSED, lora(modules_to_save=["embed_tokens"])),
    Kind("trained norm", REFUSED, lora(modules_to_save=["input_layernorm"])),
    Kind("trained tokens", REFUSED, lora(trainable_token_indices=list(PROMPT[3:6]))),
    Kind("weighted sum of two", SERVED, lora(r=4), start="weighted sum"),
)

METHODS = (
    Kind("AdaLoRA", REFUSED, {"target_modules": ["q_proj"], "total_step": 10}, method="AdaLora"),
    Kind(
        "IA3", REFUSED, {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}, method="IA3"
    ),
    Kind("LoHa", REFUSED, {"target_modules": ["q_proj"]}, method="LoHa"),
    Kind("LoKr", REFUSED, {"target_modules": ["q_proj"]}, method="LoKr"),
    Kind("VeRA", REFUSED, {"target_modules": ["q_proj"]}, method="Vera"),
    Kind("OFT", REFUSED, {"target_modules": ["q_proj"]}, method="OFT"),
    Kind("prompt tuning", REFUSED, {"num_virtual_tokens": 4}, method="PromptTuning"),
    Kind("prefix tuning", REFUSED, {"num_virtual_tokens": 4}, method="PrefixTuning"),
    Kind("layer norm tuning", REFUSED, {"target_modules": ["input_layernorm"]}, method="LNTuning"),
    Kind("trainable tokens alone", REFUSED, {"token_indices": list(PROMPT[3:6])}, method="TrainableTokens"),
)

MODELS = (
    Kind("wider sibling", REFUSED, lora(), base="wider"),
    Kind("narrower sibling", OTHER, lora(), base="narrower"),
    Kind("deeper sibling", OTHER, lora(), base="deeper"),
    Kind("GPT-2", REFUSED, {"r": 8, "target_modules": ["c_attn"], "fan_in_fan_out": True}, base="gpt2"),
    Kind("added tokens", REFUSED, lora(), base="two more tokens", prompt=(*PROMPT, VOCABULARY, VOCABULARY + 1)),
    Kind(
        "added tokens in embed_tokens",
        REFUSED,
        lora(["embed_tokens", "lm_head", "q_proj"]),
        base="two more tokens",
        prompt=(*PROMPT, VOCABULARY),
        unseen="the vocabulary of the served model is not in them",
    ),
    Kind(
        "added tokens in new_embeddings",
        OTHER,
        lora(),
        base="two more tokens",
        prompt=(*PROMPT, VOCABULARY),
        saved="with new_embeddings.safetensors",
    ),
)

TIED_EMBEDDINGS = (
    Kind("q_proj and v_proj, tied", SERVED, lora(), base=TIED),
    Kind("embed_tokens, tied", SERVED, lora(["embed_tokens"]), base=TIED),
    Kind("lm_head, tied", SERVED, lora(["lm_head"]), base=TIED),
    Kind("both, tied", SERVED, lora(["embed_tokens", "lm_head"]), base=TIED),
    Kind("tied LoRA", SERVED, lora(["embed_tokens"], ensure_weight_tying=True), base=TIED),
    Kind("trained lm_head, tied", REFUSED, lora(modules_to_save=["lm_head"], ensure_weight_tying=True), base=TIED),
)

KINDS = (*MODULES, *RANKS, *STARTS, *VARIANTS, *METHODS, *MODELS, *TIED_EMBEDDINGS, *KINDS_OF_FILES)
