"""The model: Wan's network and autoencoder, prompt, LoRA, and how it is sampled."""
