//! Excerpts.
use super::Analyzer;

/// Excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {}

impl Excerpt {
    pub(super) fn new(_: Analyzer, _: &str, _: &[(&str, f32)], _: usize) -> Self {
        Self {}
    }
}
