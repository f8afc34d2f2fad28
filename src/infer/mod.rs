//! A trained session or a checkpoint as something that answers: sound in, labels with scores out.
