"""What `porter verify` compares: fine-tuning from end to end, without dropout. Needs transformers."""

FINETUNE = ["python", "finetune.py", "--max-steps", "20", "--logging-steps", "1", "--dropout", "0"]
FINETUNE += ["--batch-size", "16", "--train-size", "512", "--output-dir", "{out}/model"]
ON_CPU = [*FINETUNE, "--no-cuda"]
LOSSES = r"loss (\S+)"

CASES = {
    "fine-tuning": {"original": ON_CPU, "port": FINETUNE, "losses": LOSSES},
    "fine-tuning, eager attention": {
        "original": ON_CPU,
        "port": [*FINETUNE, "--attention", "eager"],
        "losses": LOSSES,
    },
    "fine-tuning in 16 bits": {
        "original": ON_CPU,
        "port": [*FINETUNE, "--fp16"],
        "losses": LOSSES,
        "precision": "bfloat16",
    },
}
