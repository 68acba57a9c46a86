"""Times ELECTRA's pre-training step in PyTorch + Hugging Face transformers, as a peer of `electra bench --mode pretrain`.

ElectraForMaskedLM as the generator, which shares the discriminator's embeddings, and ElectraForPreTraining: masking,
generator, sampling, discriminator, both losses, clipping by the global norm, AdamW. Random weights, attention by
scaled_dot_product_attention, bf16 autocast and fused AdamW on one CUDA device (or on the CPU, for a dry run). Only the
masked positions are multiplied with the word table, as in any efficient implementation.

Tokens are sampled as torch.multinomial samples one per row: the argmax of probability over an exponential random number,
which takes a random number for each token of the vocabulary at each position. `electra` samples from the same
distribution with two uniform numbers per position. Google's code takes the argmax after adding Gumbel noise, which is
equivalent but needs more passes over the scores.

  python3 benches/peer_pretrain.py --size small --batch-size 128 --seq-len 128 --steps 20
  python3 benches/peer_pretrain.py --size base --batch-size 64 --lengths LENGTHS.json   # real lengths, padded per batch

Prints one JSON line with the keys of `electra bench`.
"""
import argparse, json, random, statistics, time
import torch
import transformers
from torch import nn
from torch.nn import functional as F
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining
from transformers.models.electra import modeling_electra

# Layers, hidden size, embedding size, the generator's share of the hidden size, share of masked tokens.
SIZES = {
    "small": (12, 256, 128, 1 / 4, 0.15),
    "base": (12, 768, 768, 1 / 3, 0.15),
    "large": (24, 1024, 1024, 1 / 4, 0.25),
    "debug": (2, 128, 128, 1 / 2, 0.15),
}
CLS, SEP, MASK, FIRST_WORD, VOCABULARY = 101, 102, 103, 1000, 30522


def sdpa(self, hidden_states, attention_mask=None, *_, **__):
    """Self-attention for versions of transformers whose ElectraModel lacks scaled_dot_product_attention."""
    n, length, _ = hidden_states.shape
    heads = lambda x: x.view(n, length, self.num_attention_heads, self.attention_head_size).transpose(1, 2)
    q, k, v = (heads(layer(hidden_states)) for layer in (self.query, self.key, self.value))
    mask = None if attention_mask is None else attention_mask.to(q.dtype)
    drop = self.dropout.p if self.training else 0.0
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=drop)
    return context.transpose(1, 2).reshape(n, length, self.all_head_size), None


def built(kind, config):
    """The model, and its attention implementation."""
    config._attn_implementation = "sdpa"
    try:
        return kind(config), "sdpa"
    except (ValueError, KeyError):
        config._attn_implementation = "eager"
        modeling_electra.ElectraSelfAttention.forward = sdpa
        return kind(config), "sdpa in the place of eager"


class Pretraining(nn.Module):
    def __init__(self, size, temperature=1.0):
        super().__init__()
        layers, hidden, embedding, part, _ = SIZES[size]
        shape = lambda width: ElectraConfig(
            vocab_size=VOCABULARY, embedding_size=embedding, hidden_size=width, num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64), intermediate_size=4 * width)
        self.generator, _ = built(ElectraForMaskedLM, shape(round(hidden * part)))
        self.discriminator, self.attention = built(ElectraForPreTraining, shape(hidden))
        # All embeddings are shared; the word table is also the generator's output table.
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.generator_lm_head.weight = self.discriminator.electra.embeddings.word_embeddings.weight
        self.temperature = temperature

    def forward(self, ids, mask, segments, positions, weights, replaced):
        inputs = {"attention_mask": mask, "token_type_ids": segments}
        # A position sampled twice becomes [MASK] if either sample says so.
        hidden = torch.zeros_like(ids).scatter_add_(1, positions, replaced.long()) > 0
        states = self.generator.electra(input_ids=torch.where(hidden, MASK, ids), **inputs).last_hidden_state
        rows = states.gather(1, positions.unsqueeze(-1).expand(-1, -1, states.shape[-1]))
        logits = self.generator.generator_lm_head(self.generator.generator_predictions(rows)).float()
        targets = ids.gather(1, positions)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        masked_lm = (loss * weights.flatten()).sum() / (weights.sum() + 1e-6)
        with torch.no_grad():
            shares = F.softmax(logits / self.temperature, -1)
            drawn = (shares / torch.empty_like(shares).exponential_()).argmax(-1)
            used = weights.long()
            sums = torch.zeros_like(ids).scatter_add_(1, positions, drawn * used)
            counts = torch.zeros_like(ids).scatter_add_(1, positions, used)
            corrupted = torch.where(counts > 0, sums // counts.clamp_min(1), ids)
            labels = (corrupted != ids).float()
        scores = self.discriminator(input_ids=corrupted, **inputs).logits.float()
        each = F.binary_cross_entropy_with_logits(scores, labels, reduction="none")
        real = mask.float()
        return masked_lm + 50.0 * (each * real).sum() / (real.sum() + 1e-6)


class Adam:
    """Fused AdamW; the learning rate cancels its bias correction, which Google's Adam does not have."""

    def __init__(self, model, rate, fused):
        spared = lambda name: name.endswith("bias") or "LayerNorm" in name
        named = list(model.named_parameters())
        groups = [{"params": [p for n, p in named if spared(n) == plain], "decays": not plain} for plain in (False, True)]
        self.inner = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.999), eps=1e-6, fused=fused)
        self.rate, self.steps = rate, 0

    def step(self):
        self.steps += 1
        factor = (1 - 0.9**self.steps) / (1 - 0.999**self.steps) ** 0.5
        for group in self.inner.param_groups:
            group["lr"] = self.rate * factor
            group["weight_decay"] = 0.01 / factor if group["decays"] else 0.0
        self.inner.step()
        self.inner.zero_grad(set_to_none=True)


def groups_of(args):
    if not args.lengths:
        return [[args.seq_len] * args.batch_size]
    lengths = json.load(open(args.lengths))
    random.Random(1).shuffle(lengths)
    if args.bucket:  # similar lengths in one batch; the batches are shuffled
        lengths = sorted(lengths)
    size = args.batch_size
    groups = [lengths[i:i + size] for i in range(0, len(lengths) - size + 1, size)]
    random.Random(2).shuffle(groups)
    return groups


def masks(lengths, slots, mask_prob, device):
    """Slots of each example: positions sampled with replacement, which of them count, which become [MASK]."""
    n = torch.tensor(lengths)
    count = torch.round(n * mask_prob).clamp(1, slots)
    inner = (n - 2).clamp_min(1)
    positions = 1 + (torch.rand(len(lengths), slots) * inner[:, None]).long()
    weights = (torch.arange(slots)[None] < count[:, None]).float()
    replaced = (torch.rand(len(lengths), slots) < 0.85) & (weights > 0)
    # Unused slots point to the first position, which is never written.
    positions = positions * weights.long()
    return positions.to(device), weights.to(device), replaced.to(device)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--mode", choices=["pretrain"], default="pretrain")
    p.add_argument("--size", choices=SIZES, default="small")
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--seq-len", type=int, default=128)
    p.add_argument("--lengths")
    p.add_argument("--bucket", action="store_true")
    p.add_argument("--pad-to", type=int, default=0, help="pad every batch to this length (0: longest in the batch)")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--warmup", type=int, default=5)
    p.add_argument("--dtype", choices=["bf16", "f16", "f32"], default="bf16")
    p.add_argument("--micro-batch-size", type=int, help="sequences computed at once (all of the batch)")
    p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--compile", action="store_true")
    args = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = Pretraining(args.size).to(device).train()
    if args.checkpointing:
        for network in (model.generator, model.discriminator):
            network.gradient_checkpointing_enable()
    step_model = torch.compile(model, dynamic=True) if args.compile else model
    optimizer = Adam(model, 1e-5, fused=device == "cuda")
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[args.dtype]
    torch.backends.cuda.matmul.allow_tf32 = True
    groups, times, sequences, tokens, padded = groups_of(args), [], 0, 0, 0
    mask_prob = SIZES[args.size][4]
    slots = int((mask_prob + 0.005) * max(map(max, groups)))
    sync = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    for i in range(args.warmup + args.steps):
        lengths = groups[i % len(groups)]
        width = max(args.pad_to, max(lengths))
        n = len(lengths)
        ends = torch.tensor(lengths)[:, None]
        places = torch.arange(width)[None]
        mask = (places < ends).long()
        ids = torch.randint(FIRST_WORD, VOCABULARY, (n, width)) * mask
        ids = torch.where((places == ends - 1), SEP, ids)
        ids[:, 0] = CLS
        segments = ((places >= (ends + 1) // 2).long() * mask).to(device)
        ids, mask = ids.to(device), mask.to(device)
        if i == args.warmup and device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        sync()
        t = time.perf_counter()
        drawn = masks(lengths, slots, mask_prob, device)
        size = args.micro_batch_size or n
        for first in range(0, n, size):
            part = slice(first, min(first + size, n))
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                loss = step_model(ids[part], mask[part], segments[part], *(x[part] for x in drawn))
            (loss * ((part.stop - first) / n)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sync()
        if i >= args.warmup:
            times.append(time.perf_counter() - t)
            sequences += n
            tokens += sum(lengths)
            padded += n * width
    print(json.dumps({
        "tool": "pytorch " + torch.__version__ + ", transformers " + transformers.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu", **vars(args),
        "attention": model.attention, "generator_hidden_size": SIZES[args.size][3], "mask_prob": mask_prob,
        "ms_per_step": 1000 * statistics.median(times), "sequences_per_s": sequences / sum(times),
        "tokens_per_s": tokens / sum(times), "padding_computed": 1 - tokens / padded,
        "peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None}))


if __name__ == "__main__":
    main()
