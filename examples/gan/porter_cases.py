"""What `porter verify` compares: both losses of each batch, and the generator that comes out."""

TRAIN = ["python", "dcgan.py", "--n_batches", "20", "--sample_interval", "1", "--n_images", "1280"]
TRAIN += ["--out", "{out}/generator.pt"]

CASES = {
    "training": {
        "original": TRAIN,
        "port": TRAIN,
        "losses": r"loss (?P<discriminator>\S+) g_loss (?P<generator>\S+)",
        "results": ["generator.pt"],
        "environment": {"OMP_NUM_THREADS": "1"},  # sums over two threads round otherwise than over one
    },
}
