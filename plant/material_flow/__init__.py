"""The material flow: pieces that move from stage to stage."""
