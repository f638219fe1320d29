//! Embeddings in the input: all or none, one dimension, usable numbers.

use std::collections::BTreeMap;

use coracle::document::Chunk;
use coracle::document::Document;
use coracle_cli::embed::ReadyMadeProblem;
use coracle_cli::embed::ready_made;

fn documents(embeddings: &[Option<&[f32]>]) -> Vec<Document> {
    let chunk = |embedding: &Option<&[f32]>| Chunk {
        headings: Vec::new(),
        anchor: String::new(),
        span: 0..0,
        tokens: 0,
        text: String::new(),
        embedding: embedding.map(<[f32]>::to_vec),
    };
    let document = |(i, chunks): (usize, &[Option<&[f32]>])| Document {
        id: format!("d{i}"),
        url: String::new(),
        title: String::new(),
        language: String::new(),
        weight: 1.0,
        meta: BTreeMap::new(),
        chunks: chunks.iter().map(chunk).collect(),
    };
    embeddings.chunks(2).enumerate().map(document).collect()
}

#[test]
fn ready_made_all_chunks_gives_rows_in_order() {
    let input = documents(&[Some(&[1.0, 2.0]), Some(&[3.0, 4.0]), Some(&[5.0, 6.0])]);
    let made = ready_made(&input, None).unwrap().unwrap();
    assert_eq!(
        (made.dim, made.rows),
        (2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    );
    assert_eq!(ready_made(&documents(&[None, None]), None), Ok(None));
    assert_eq!(ready_made(&[], Some(7)), Ok(None));
}

#[test]
fn ready_made_bad_chunk_is_named() {
    let good: Option<&[f32]> = Some(&[1.0, 2.0]);
    let cases: [(Option<&[f32]>, ReadyMadeProblem); 5] = [
        (None, ReadyMadeProblem::Missing),
        (
            Some(&[1.0]),
            ReadyMadeProblem::Dim {
                expected: 2,
                got: 1,
            },
        ),
        (
            Some(&[1.0, f32::NAN]),
            ReadyMadeProblem::NotFinite { component: 1 },
        ),
        (
            Some(&[f32::INFINITY, 0.0]),
            ReadyMadeProblem::NotFinite { component: 0 },
        ),
        (Some(&[0.0, 0.0]), ReadyMadeProblem::Zero),
    ];
    for (bad, problem) in cases {
        let error = ready_made(&documents(&[good, good, good, bad]), Some(2)).unwrap_err();
        assert_eq!(
            (error.document.as_str(), error.chunk, error.problem),
            ("d1", 1, problem)
        );
        assert!(error.to_string().contains("\"d1\", chunk 1: "), "{error}");
    }
}
