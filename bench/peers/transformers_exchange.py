"""Holds DynConv's model folders against Hugging Face transformers, in both directions.

    python3 transformers_exchange.py write DIR           small random models of each model_type, as transformers saves them
    python3 transformers_exchange.py vectors FOLDER...   golden.safetensors beside the weights, computed by transformers
    python3 transformers_exchange.py loss FOLDER TEXT N  what `dynconv eval --model FOLDER --data TEXT --context N` measures

`dynconv verify FOLDER...` then compares logits, loss and the gradient of every tensor with the vectors.
"""

import argparse
import pathlib

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SMALL = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=61, max_position_embeddings=64, initializer_range=0.3)

CONFIGURATIONS = {
    "mistral": MistralConfig(**SMALL, head_dim=16, sliding_window=None),
    "mistral_window": MistralConfig(**SMALL, sliding_window=32),
    "llama_untied_bias": LlamaConfig(**SMALL, attention_bias=True, tie_word_embeddings=False),
    "qwen2": Qwen2Config(**SMALL),
    "qwen3_bias": Qwen3Config(**SMALL, head_dim=12, attention_bias=True),
}


def write(root: pathlib.Path) -> None:
    torch.manual_seed(1)
    for name, configuration in CONFIGURATIONS.items():
        model = AutoModelForCausalLM.from_config(configuration)
        with torch.no_grad():
            # They start as zeros and ones, under which a wrong one would not show.
            for parameter in (p for n, p in model.named_parameters() if n.endswith("bias") or "norm" in n):
                parameter.add_(torch.randn_like(parameter) * 0.3)
        model.save_pretrained(root / name)
        vectors(root / name)


def vectors(folder: pathlib.Path) -> None:
    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    size = model.config.vocab_size
    ids = torch.randint(0, size, (2, 24))
    logits = model(ids).logits
    loss = cross_entropy(logits[:, :-1].reshape(-1, size), ids[:, 1:].reshape(-1))
    loss.backward()
    parameters = dict(model.named_parameters())
    tensors = {"input_ids": ids, "out.logits": logits.detach().float().contiguous(), "out.loss": loss.detach().float()}
    for name in load_file(folder / "model.safetensors"):
        tensors[f"grad.{name}"] = parameters[name].grad.float().contiguous()
    save_file(tensors, folder / "golden.safetensors", metadata={"model": folder.name})
    print(f"{folder}: {type(model).__name__}, {len(tensors) - 3} gradients")


def loss(folder: pathlib.Path, text: pathlib.Path, context: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id
    ids = tokenizer(text.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, context):
            window = torch.tensor([ids[start : start + context + 1]], device=device)
            logits = model(window[:, :-1]).logits[0].double()
            total += cross_entropy(logits, window[0, 1:], reduction="sum").item()
    print(f"{folder}: {type(model).__name__}, loss {total / (len(ids) - 1):.6f} of {len(ids) - 1} tokens")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("root", type=pathlib.Path)
    commands.add_parser("vectors").add_argument("folders", type=pathlib.Path, nargs="+")
    one = commands.add_parser("loss")
    one.add_argument("folder", type=pathlib.Path)
    one.add_argument("text", type=pathlib.Path)
    one.add_argument("context", type=int)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.root)
    elif arguments.command == "vectors":
        for folder in arguments.folders:
            vectors(folder)
    else:
        loss(arguments.folder, arguments.text, arguments.context)


if __name__ == "__main__":
    main()
