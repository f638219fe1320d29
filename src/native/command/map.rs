//! `coracle inspect --map`: the chunks of an index as points of a plane.
//!
//! The plane is that of the two directions in which embeddings differ most (principal components of
//! what the rows tell of them); groups are made by k-means in the first [`DIMS`] of these, so that
//! colours tell more than places do. The same index gives the same map.

use crate::error::Failure;
use crate::projection;
use crate::projection::VectorDims;
use crate::report::Reporter;
use crate::signing::PublicKeys;
use crate::source::Input;
use coracle::document::ChunkId;
use coracle::search::Engine;
use coracle::search::SearchError;
use coracle::store::Source;
use coracle::store::StoreError;
use serde_json::Value as Json;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Principal components in which chunks are grouped.
const DIMS: usize = 16;

/// Groups at most: eyes tell no more colours apart.
const GROUPS: usize = 8;

/// Chunks of a group at least, on average.
const GROUP_CHUNKS: usize = 8;

/// Passes of Lloyd's algorithm.
const PASSES: usize = 20;

/// Chunks that directions are fitted to.
const SAMPLE: usize = 8192;

/// Rows and documents that are read together.
const BATCH: usize = 4096;

/// Coordinates are whole numbers from 0 to this.
const SIDE: f32 = 1000.0;

/// Writes the map of the index at `place`, whole or not at all.
///
/// # Errors
/// [`Failure`], for an index without vectors too.
pub fn write(
    place: &str,
    keys: Option<&PublicKeys>,
    path: &Path,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let source = Input::open(place, keys).map_err(StoreError::from)?;
    let engine = pollster::block_on(Engine::open(source, 0))?;
    if engine.root().vectors.is_none() {
        return Err(Failure::Usage {
            flag: "--map",
            problem: "needs an index with vectors, and this one has words only".into(),
        });
    }
    let _stage = reporter.stage("map", 0);
    let map = pollster::block_on(map(&engine))?;
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, format!("{map}\n"))
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(Failure::io("write", path))
}

async fn map<S: Source>(engine: &Engine<S>) -> Result<Json, SearchError> {
    let chunks = engine.root().counts.chunks;
    let (titles, documents) = documents(engine).await?;
    let points = points(engine, chunks).await?;
    let groups = groups(&points);
    let (x, y) = flat(&points);
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let names: Vec<Json> = (0..count)
        .map(|group| {
            let is_in = |&chunk: &usize| groups[chunk] == group;
            let members: Vec<usize> = (0..points.len()).filter(is_in).collect();
            let titles = members
                .iter()
                .filter_map(|&chunk| titles.get(chunk).copied());
            json!({ "titles": most(titles, &documents), "chunks": members.len() })
        })
        .collect();
    Ok(json!({
        "build_id": format!("{:016x}", engine.root().build_id),
        "documents": documents,
        "document": titles,
        "x": x,
        "y": y,
        "group": groups,
        "groups": names,
    }))
}

/// The document of every chunk, and all documents' titles and addresses.
async fn documents<S: Source>(
    engine: &Engine<S>,
) -> Result<(Vec<usize>, Vec<(String, String)>), SearchError> {
    let counts = &engine.root().counts;
    let mut firsts = Vec::new();
    let mut documents = Vec::new();
    for start in (0..counts.documents).step_by(BATCH) {
        let batch = engine.documents(start..start + BATCH as u32).await?;
        for (first, record) in batch {
            firsts.push(first);
            documents.push((record.title, record.url));
        }
    }
    let of = |chunk: ChunkId| firsts.partition_point(|&first| first <= chunk);
    let of = (0..counts.chunks).map(|chunk| of(chunk).saturating_sub(1));
    Ok((of.collect(), documents))
}

/// Every chunk's first principal components.
async fn points<S: Source>(engine: &Engine<S>, chunks: u32) -> Result<Vec<Vec<f32>>, SearchError> {
    let stride = (chunks as usize).div_ceil(SAMPLE).max(1);
    let sample: Vec<ChunkId> = (0..chunks).step_by(stride).collect();
    let sample = engine.embeddings(&sample).await?;
    let dim = sample.first().map_or(0, Vec::len);
    let kept = VectorDims::Kept(DIMS.min(dim.saturating_sub(1)).max(1));
    let projection = projection::fit(&sample.concat(), dim, kept);
    let all: Vec<ChunkId> = (0..chunks).collect();
    let mut points = Vec::with_capacity(all.len());
    for batch in all.chunks(BATCH) {
        for row in engine.embeddings(batch).await? {
            // One dimension alone is its own principal component.
            points.push(match &projection {
                Some(projection) => projection.apply(&row)?,
                None => row,
            });
        }
    }
    Ok(points)
}

/// Places in the plane, at one scale in both directions.
fn flat(points: &[Vec<f32>]) -> (Vec<u32>, Vec<u32>) {
    let of = |axis: usize| {
        points
            .iter()
            .map(move |point| point.get(axis).map_or(0.0, |&x| x))
    };
    let bounds = |axis| {
        of(axis).fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        })
    };
    let (across, down) = (bounds(0), bounds(1));
    let reach = (across.1 - across.0)
        .max(down.1 - down.0)
        .max(f32::MIN_POSITIVE);
    let placed = |axis, low: f32| {
        let place = |x: f32| ((x - low) / reach * SIDE).round() as u32;
        of(axis).map(place).collect()
    };
    (placed(0, across.0), placed(1, down.0))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The number of each point's group, the largest group first.
fn groups(points: &[Vec<f32>]) -> Vec<usize> {
    let count = (points.len() / GROUP_CHUNKS).clamp(1, GROUPS);
    let mut centres = seeds(points, count);
    let mut group = vec![0; points.len()];
    for _ in 0..PASSES {
        for (group, point) in group.iter_mut().zip(points) {
            *group = nearest(&centres, point).0;
        }
        for (at, centre) in centres.iter_mut().enumerate() {
            let members = || points.iter().zip(&group).filter(|&(_, &group)| group == at);
            let count = members().count();
            // A centre that nothing is nearest to stays where it is.
            if count == 0 {
                continue;
            }
            for (axis, x) in centre.iter_mut().enumerate() {
                let sum: f64 = members().map(|(point, _)| f64::from(point[axis])).sum();
                *x = (sum / count as f64) as f32;
            }
        }
    }
    let mut sizes = vec![0usize; centres.len()];
    group.iter().for_each(|&group| sizes[group] += 1);
    let mut order: Vec<usize> = (0..centres.len()).collect();
    order.sort_by_key(|&at| core::cmp::Reverse(sizes[at]));
    let mut place = vec![0; centres.len()];
    order
        .iter()
        .enumerate()
        .for_each(|(new, &old)| place[old] = new);
    group.iter().map(|&group| place[group]).collect()
}

/// The nearest centre and how far away it is.
fn nearest(centres: &[Vec<f32>], point: &[f32]) -> (usize, f32) {
    let distances = centres.iter().map(|centre| distance(centre, point));
    let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.unwrap_or((0, f32::INFINITY))
}

/// Points to begin with: each one drawn by its distance from those before (k-means++).
fn seeds(points: &[Vec<f32>], count: usize) -> Vec<Vec<f32>> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut seeds: Vec<Vec<f32>> = points.first().cloned().into_iter().collect();
    while !seeds.is_empty() && seeds.len() < count {
        let weights: Vec<f64> = points
            .iter()
            .map(|point| f64::from(nearest(&seeds, point).1))
            .collect();
        let mut left = random.f64() * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // All points are seeds already.
        let Some(drawn) = drawn else { break };
        seeds.push(points[drawn].clone());
    }
    seeds
}

/// The two most frequent titles, by which people tell what a group is about.
fn most(documents: impl Iterator<Item = usize>, titles: &[(String, String)]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for document in documents {
        *counts.entry(&titles[document].0).or_default() += 1;
    }
    let mut titles: Vec<(&str, usize)> = counts.into_iter().collect();
    titles.sort_by_key(|&(_, count)| core::cmp::Reverse(count));
    let titles = titles.into_iter().take(2);
    titles.map(|(title, _)| title.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::flat;
    use super::groups;

    #[test]
    fn points_that_lie_together_are_one_group_and_the_largest_comes_first() {
        let heap = |at: f32, count: usize| {
            (0..count).map(move |i| vec![at + 0.01 * i as f32, -at, 0.5 * at])
        };
        let points: Vec<Vec<f32>> = heap(5.0, 4).chain(heap(-5.0, 20)).collect();
        let groups = groups(&points);
        // 24 points make three groups: the small heap is never torn into the large one.
        assert!(groups[..4].iter().all(|small| !groups[4..].contains(small)));
        let largest = groups.iter().filter(|&&group| group == 0).count();
        assert!(largest >= 6, "{groups:?}");
    }

    #[test]
    fn nothing_one_point_and_equal_points_have_a_map() {
        assert!(groups(&[]).is_empty());
        assert_eq!(groups(&vec![vec![1.0, 2.0]; 40]), [0; 40]);
        assert_eq!(flat(&[vec![3.0]]), (vec![0], vec![0]));
    }

    #[test]
    fn places_keep_their_proportions() {
        let (x, y) = flat(&[vec![-1.0, 0.0], vec![3.0, 0.0], vec![1.0, 1.0]]);
        assert_eq!((x, y), (vec![0, 1000, 500], vec![0, 0, 250]));
    }
}
