"""What `porter verify` compares: the tokens of greedy decoding, and the logits from which each was chosen."""


def greedy(dtype):
    return ["python", "generate.py", "--temperature", "0", "--max-new-tokens", "20", "--num-samples", "2"] + [
        *("--dtype", dtype),
        *("--scores", "{out}/scores.pt"),
    ]


CASES = {
    "decoding": {"original": greedy("float32"), "port": greedy("float32"), "results": ["scores.pt"]},
    "decoding, compiled": {
        "original": greedy("float32"),
        "port": [*greedy("float32"), "--compile"],
        "results": ["scores.pt"],
    },
    "decoding in bfloat16": {
        "original": greedy("bfloat16"),
        "port": greedy("bfloat16"),
        "results": ["scores.pt"],
        "precision": "bfloat16",
    },
}
