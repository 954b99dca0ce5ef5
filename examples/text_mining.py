"""Topics of short texts: TF-IDF and NMF in a scikit-learn pipeline, the top words of each topic, and two new texts."""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from jnmf import plot
from jnmf.estimator import NMF

texts = """The telescope saw a comet near the planet and a distant star.
A planet around a distant star was found by the telescope.
The orbit of the comet passes the planet and the sun.
Astronomers photograph the sun, a star, and the orbit of a planet.
The goalkeeper saved the penalty and the team won the match.
The team scored a late goal and won the match in the final minute.
A penalty in the final minute: the goal decided the match.
The coach praised the goalkeeper and the team after the final.
Simmer the onion and garlic in oil, then add tomato and salt.
Bake the bread with garlic, oil and a little salt.
Slice the tomato and onion, salt them, and serve with bread.
Fry the garlic in oil, add the onion and a ripe tomato.""".splitlines()

topics: Any = make_pipeline(TfidfVectorizer(stop_words="english"), NMF(3, random_state=0))
W = topics.fit_transform(texts)
words = topics[0].get_feature_names_out()
for k, row in enumerate(topics[1].components_):
    print(f"topic {k}: {', '.join(words[np.argsort(-row)[:5]])}; texts {np.flatnonzero(W.argmax(axis=1) == k) + 1}")
print(f"error {topics[1].reconstruction_err_:.3f}")

new = topics.transform(["Serve the tomato with oil and bread.", "The telescope watched the sun."])
for share in new / new.sum(axis=1, keepdims=True):
    print("a new text:", ", ".join(f"{part:.3f} of topic {k}" for k, part in enumerate(share)))
plot.top_features([[(words[j], row[j] / row.sum()) for j in np.argsort(-row)[:5]] for row in topics[1].components_])
