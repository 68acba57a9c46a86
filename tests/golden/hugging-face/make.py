"""Makes four_heads/: a random ELECTRA of Hugging Face's with 4 attention heads where the reference's
rule gives 1, and what transformers computes with it.

    pip install torch transformers; python tests/golden/hugging-face/make.py
"""

import pathlib

import torch
import transformers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "four_heads"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *[f"w{n}" for n in range(35)]]

torch.manual_seed(11)
config = transformers.ElectraConfig(
    vocab_size=len(WORDS),
    embedding_size=16,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=24,
    # Large enough that the attention is far from even.
    initializer_range=0.3,
)
model = transformers.ElectraModel(config).eval()
model.save_pretrained(FOLDER)
(FOLDER / "vocab.txt").write_text("\n".join(WORDS) + "\n")
length = 20
ids = torch.randint(5, len(WORDS), (3, length), dtype=torch.int32)
ids[:, 0], ids[:, 8], ids[:, -1] = 2, 3, 3
segments = torch.zeros(3, length, dtype=torch.int32)
segments[:, 9:] = 1
with torch.no_grad():
    states = model(input_ids=ids.long(), token_type_ids=segments.long()).last_hidden_state
save_file(
    {"input_ids": ids, "segment_ids": segments, "hidden": states.contiguous()},
    FOLDER.parent / "four_heads.states.safetensors",
)
print(f"transformers {transformers.__version__}, torch {torch.__version__}: {states.abs().max()}")
