//! postings.
