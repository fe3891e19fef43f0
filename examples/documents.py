"""Many texts in one page: attention, label, prediction and posterior of each, and a search.

The file is in neat-vision's format, as many classifiers with attention over words write it.
"""

import json
import tempfile
from pathlib import Path

import attnscope

SAMPLES = [
    {
        "text": ["a", "warm", ",", "funny", "and", "moving", "film"],
        "attention": [0.02, 0.21, 0.01, 0.34, 0.02, 0.37, 0.03, 0, 0],
        "label": 1,
        "prediction": 1,
        "posterior": [0.04, 0.96],
        "id": "review 1",
    },
    {
        "text": ["funny", "only", "if", "you", "have", "never", "laughed", "before"],
        "attention": [0.44, 0.18, 0.04, 0.03, 0.02, 0.15, 0.11, 0.03, 0],
        "label": 0,
        "prediction": 1,
        "posterior": [0.38, 0.62],
        "id": "review 2",
    },
    {
        "text": ["two", "hours", "that", "i", "will", "not", "get", "back"],
        "attention": [0.06, 0.12, 0.04, 0.03, 0.05, 0.33, 0.08, 0.29, 0],
        "label": 0,
        "prediction": 0,
        "posterior": [0.91, 0.09],
        "id": "review 3",
    },
]
LABELS = {"0": {"name": "negative"}, "1": {"name": "positive"}}

with tempfile.TemporaryDirectory() as folder:
    data, labels = Path(folder, "reviews.json"), Path(folder, "labels.json")
    data.write_text(json.dumps(SAMPLES))
    labels.write_text(json.dumps(LABELS))
    documents = attnscope.from_neat_vision(data, labels)

print(documents)
view = documents.text_view()
