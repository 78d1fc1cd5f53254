"""Choose settings by cross-validation, as for any estimator of scikit-learn."""

import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from stars_infer.sklearn import SkeletonClassifier
from stars_infer.synthetic.actions import perform

random = np.random.default_rng(0)
labels = ["wave", "clap", "squat", "kick"] * 6
clips = [perform(label, random) for label in labels]  # or the paths of your files

train, test, train_labels, test_labels = train_test_split(
    clips, labels, train_size=0.5, stratify=labels, random_state=0
)
search = GridSearchCV(
    SkeletonClassifier(), {"classifier": ["ridge", "prototypes", "majority"]}, cv=3
)
search.fit(train, train_labels)
print(f"best settings: {search.best_params_}, {search.best_score_:.0%} right in cross-validation")
print(f"{search.score(test, test_labels):.0%} right of {len(test)} clips that were held back")
