//! Answers to questions that mean the same: which of those kept is of one near enough.
//!
//! Questions are compared by their embeddings' cosine, and must hold the same digits: what differs in a
//! version alone is near to any model. The last [`MOST`] questions are known, each thread's or isolate's
//! its own.

use super::ask::AnswerKey;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Questions that are known: some 400 kB of 384 components.
const MOST: usize = 256;

/// Questions that were answered.
#[derive(Debug, Default)]
pub struct Similar {
    known: RefCell<VecDeque<Known>>,
}

/// A question that was answered.
#[derive(Debug, Clone)]
pub struct Known {
    /// The question.
    pub question: String,
    /// Its embedding.
    pub embedding: Vec<f32>,
    /// Where its answer is kept.
    pub key: AnswerKey,
}

impl Similar {
    /// The question whose embedding has the largest cosine to this one's, if that is at least `least`.
    pub fn nearest(
        &self,
        scope: &str,
        question: &str,
        embedding: &[f32],
        least: f64,
    ) -> Option<Known> {
        let known = self.known.borrow();
        let alike = known.iter().filter(|known| {
            known.key.scope == scope && digits(&known.question).eq(digits(question))
        });
        let near = alike.map(|known| (cosine(&known.embedding, embedding), known));
        let near = near.filter(|(cosine, _)| *cosine >= least);
        let nearest = near.max_by(|a, b| a.0.total_cmp(&b.0));
        nearest.map(|(_, known)| known.clone())
    }

    /// Adds a question; the oldest is forgotten for it.
    pub fn add(&self, known: Known) {
        self.forget(&known.key);
        let mut all = self.known.borrow_mut();
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back(known);
    }

    /// Forgets a question whose answer is no longer kept.
    pub fn forget(&self, key: &AnswerKey) {
        let mut known = self.known.borrow_mut();
        known.retain(|known| known.key != *key);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn digits(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|char| char.is_ascii_digit())
}

/// The cosine of two embeddings; 0 where they are not comparable.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let length = libm::sqrt(dot(a, a) * dot(b, b));
    match a.len() == b.len() && length > 0.0 {
        true => dot(a, b) / length,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::AnswerKey;
    use super::Known;
    use super::MOST;
    use super::Similar;
    use alloc::format;
    use alloc::vec::Vec;

    fn key(question: &str) -> AnswerKey {
        AnswerKey {
            place: "place".into(),
            scope: "build".into(),
            text: question.into(),
        }
    }

    fn known(question: &str, embedding: [f32; 2]) -> Known {
        Known {
            question: question.into(),
            embedding: Vec::from(embedding),
            key: key(question),
        }
    }

    #[test]
    fn nearest_question_of_the_same_scope_and_digits_is_found() {
        let similar = Similar::default();
        similar.add(known("rotate logs", [1.0, 0.1]));
        similar.add(known("rotate the logs", [2.0, 0.1]));
        similar.add(known("rotate logs in 2", [1.0, 0.0]));
        let find = |scope: &str, question: &str, least| {
            let found = similar.nearest(scope, question, &[3.0, 0.0], least);
            found.map(|known| known.question)
        };
        assert_eq!(
            find("build", "turn logs", 0.99),
            Some("rotate the logs".into())
        );
        assert_eq!(find("build", "turn logs", 0.9999), None);
        assert_eq!(find("other", "turn logs", 0.5), None);
        assert_eq!(
            find("build", "logs of 2", 0.5),
            Some("rotate logs in 2".into())
        );
        assert_eq!(find("build", "logs of 3", 0.5), None);
        assert!(similar.nearest("build", "q", &[1.0], 0.5).is_none());
        similar.forget(&key("rotate the logs"));
        assert_eq!(find("build", "turn logs", 0.99), Some("rotate logs".into()));
        for at in 0..2 * MOST {
            similar.add(known(&format!("{at}"), [1.0, 1.0]));
        }
        assert_eq!(similar.known.borrow().len(), MOST);
    }
}
