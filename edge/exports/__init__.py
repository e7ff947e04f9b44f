"""What a cluster or a consumer needs to know of a plant, as files: one module for each family of them."""
