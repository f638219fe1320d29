//! What else of its document a hit carries.

use super::*;

/// Passages with scores by words and by meaning, best first.
type Scored = Vec<(usize, u32, f32)>;

/// Numbers of the sections that a hit of this passage may have, out of a ranking of all passages.
fn sections(world: &World, ranked: &Scored, hit: usize, most: usize) -> Vec<usize> {
    let chunks = indexer::chunks(&world.documents);
    let owners = world.owners();
    let find = |chunk: usize| ranked.iter().find(|&&(other, ..)| other == chunk);
    let &(_, words, meaning) = find(hit).expect("ranked");
    let others = ranked.iter().filter(|&&(chunk, by_words, by_meaning)| {
        let is_near = by_meaning > 0.0 && by_meaning >= meaning / 2.0;
        let is_like = by_words > 0 && 2 * by_words >= words;
        chunk != hit && owners[chunk] == owners[hit] && (is_near || is_like)
    });
    let mut anchors = BTreeSet::from([&chunks[hit].1.anchor]);
    let others = others.map(|&(chunk, ..)| chunk).take(2 * most);
    let new = others.filter(|&chunk| anchors.insert(&chunks[chunk].1.anchor));
    new.take(most).collect()
}

#[test]
fn sections_are_the_best_passages_of_a_hit_under_other_headings() {
    let world = World::of(support::long_documents(12, 7), AccessChoice::Scan);
    let (mut several, mut fewer, mut marked) = (0, 0, 0);
    for mode in [Mode::Keyword, Mode::Hybrid, Mode::Vector] {
        for query in QUERIES {
            // So many that all passages are candidates, and rescored.
            let options = SearchOptions {
                mode,
                limit: 50,
                ..SearchOptions::default()
            };
            let by_chunk = SearchOptions {
                group: Group::Chunk,
                limit: 100,
                explain: true,
                ..options.clone()
            };
            let ranked = world.search(query, &by_chunk).hits.into_iter().map(|hit| {
                let explain = hit.explain.expect("explained");
                let words = explain.keyword.map_or(0, |(sum, _)| sum);
                let meaning = explain.vector.map_or(0.0, |(cosine, _)| cosine);
                ((hit.chunk as usize, words, meaning), hit.score)
            });
            let (ranked, scores): (Scored, Vec<f32>) = ranked.unzip();
            let plain = world.search(query, &options);
            for most in [1, 2, 5] {
                let wanted = SearchOptions {
                    sections: most,
                    ..options.clone()
                };
                let mut result = world.search(query, &wanted);
                for hit in &mut result.hits {
                    let found = std::mem::take(&mut hit.sections);
                    let expected = sections(&world, &ranked, hit.chunk as usize, most);
                    let numbers: Vec<usize> = found.iter().map(|one| one.chunk as usize).collect();
                    assert_eq!(numbers, expected, "{mode:?} {query} {most}");
                    several += usize::from(found.len() > 1);
                    fewer += usize::from(found.len() < most);
                    for section in found {
                        let chunks = indexer::chunks(&world.documents);
                        let (document, chunk) = &chunks[section.chunk as usize];
                        assert_eq!(document.id, hit.id);
                        assert_eq!(section.headings, chunk.headings);
                        assert_eq!(section.anchor, chunk.anchor);
                        assert!(!section.excerpt.text.is_empty());
                        let at = ranked
                            .iter()
                            .position(|one| one.0 == section.chunk as usize);
                        let score = scores[at.expect("ranked")];
                        assert_eq!(section.score.to_bits(), score.to_bits());
                        marked += usize::from(!section.excerpt.marks.is_empty());
                    }
                }
                // Nothing else of the result depends on them.
                assert_eq!(result.hits, plain.hits, "{mode:?} {query}");
                assert_eq!(result.total, plain.total);
            }
            let of_chunks = SearchOptions {
                sections: 5,
                ..by_chunk
            };
            let hits = world.search(query, &of_chunks).hits;
            assert!(hits.iter().all(|hit| hit.sections.is_empty()));
        }
    }
    let counts = [several, fewer, marked];
    assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
    // Five at most, whatever is asked for.
    let most = |sections| {
        let options = SearchOptions {
            sections,
            ..keyword()
        };
        world.search("harbour", &options).hits
    };
    assert_eq!(most(9), most(5));
    assert_ne!(most(5), most(1));
}
