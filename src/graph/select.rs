//! The neighbour selection heuristic (Algorithm 4).

use alloc::vec::Vec;

use crate::vector::topk::id_of;

/// Chooses at most `max` links of a node among `candidates`, its keys, nearest first.
///
/// A candidate is kept if it is nearer to the node than to every neighbour kept so far: links then
/// spread over all directions, and the walk reaches what was left out through a neighbour.
/// `distance` is that of two candidates; the key's upper half is the complement of the distance to
/// the node.
pub(super) fn select(
    candidates: &[u64],
    max: usize,
    distance: impl Fn(u32, u32) -> u32,
) -> Vec<u32> {
    let mut kept: Vec<u32> = Vec::with_capacity(max);
    for &key in candidates {
        if kept.len() == max {
            break;
        }
        let (candidate, to_node) = (id_of(key), !((key >> 32) as u32));
        if kept
            .iter()
            .all(|&neighbour| to_node < distance(candidate, neighbour))
        {
            kept.push(candidate);
        }
    }
    kept
}
