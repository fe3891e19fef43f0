"""A picture, and over it which patches each patch looks at.

The weights here are computed from the picture itself: patches look at patches of like colour (head
0) and at their neighbours (head 1). For a vision model (ViT, DINOv2, CLIP, DeiT, ...) it is

    inputs = processor(images=photo, return_tensors="pt")
    trace = attnscope.capture(model, inputs=dict(inputs))
    view = trace.image_view(inputs["pixel_values"][0], layer=11)
"""

import numpy as np

import attnscope

SIDE, PATCH = 12, 16

# A green meadow under a blue sky, and a red balloon.
y, x = np.mgrid[: SIDE * PATCH, : SIDE * PATCH] / (SIDE * PATCH)
picture = np.where((y > 0.6)[..., None], [0.3, 0.6, 0.25], [0.5, 0.7, 0.95])
picture = np.where(((x - 0.6) ** 2 + (y - 0.32) ** 2 < 0.035)[..., None], [0.85, 0.2, 0.2], picture)

color = picture.reshape(SIDE, PATCH, SIDE, PATCH, 3).mean((1, 3)).reshape(-1, 3)
place = np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2)


def like(features, sharpness):
    """Softmax of minus the squared distance between patches."""
    gaps = np.square(features[:, None] - features[None]).sum(-1)
    weights = np.exp(-sharpness * gaps)
    return weights / weights.sum(-1, keepdims=True)


weights = np.stack([like(color, 60), like(place, 0.5)])[None]
names = [f"r{row + 1}c{column + 1}" for row, column in place]
trace = attnscope.from_attention(weights, names)

view = trace.image_view(picture, heads=[0], query=3 * SIDE + 7, grid=(SIDE, SIDE))
