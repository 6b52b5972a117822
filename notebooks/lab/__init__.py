"""The bench that the chapters share: claims, checks, figures, the language model."""
