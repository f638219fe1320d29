//! Sorting in little code.
//!
//! core's sorts are the fastest there are and take some 5 kB for every type that they sort, in a
//! module that everybody who searches loads. A search sorts a few hundred items at a time. Elsewhere
//! than in WebAssembly the same functions are core's.

use core::cmp::Ordering;

/// Sorts in place by a total order; equal items come in any order.
///
/// # Cost: `O(n log n)` comparisons, no allocation; in WebAssembly 200 bytes of code for a type.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if cfg!(target_arch = "wasm32") {
        heap_sort_by(items, compare);
    } else {
        items.sort_unstable_by(compare);
    }
}

/// Heap sort (Williams 1964).
fn heap_sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let len = items.len();
    // The first third of the steps makes a heap with the largest item on top, from its last parent
    // up to its root; the others move the top to the end.
    for step in (0..len + len / 2).rev() {
        let mut parent = step.checked_sub(len).unwrap_or_else(|| {
            items.swap(0, step);
            0
        });
        let heap = &mut items[..step.min(len)];
        loop {
            let mut child = 2 * parent + 1;
            if child + 1 < heap.len() && compare(&heap[child], &heap[child + 1]).is_lt() {
                child += 1;
            }
            if child >= heap.len() || compare(&heap[parent], &heap[child]).is_ge() {
                break;
            }
            heap.swap(parent, child);
            parent = child;
        }
    }
}

/// Brings the `k` largest items to the front, in any order.
///
/// # Cost: `O(n)` comparisons for items in no particular order.
pub fn select_largest(items: &mut [u64], k: usize) {
    if cfg!(target_arch = "wasm32") {
        quickselect_largest(items, k);
    } else if k < items.len() {
        items.select_nth_unstable_by(k, |a, b| b.cmp(a));
    }
}

/// Quickselect (Hoare 1961), without branches on the outcome of comparisons.
fn quickselect_largest(items: &mut [u64], k: usize) {
    let (mut low, mut high) = (0, items.len());
    while low < k && k < high {
        let pivot = median(items[low], items[low + (high - low) / 2], items[high - 1]);
        let mut larger = low;
        for at in low..high {
            items.swap(at, larger);
            larger += usize::from(items[larger] > pivot);
        }
        if larger > k {
            high = larger;
        } else if larger > low {
            low = larger;
        } else {
            // The pivot is the largest: it goes to the front by itself.
            let at = items[low..high].iter().position(|&item| item == pivot);
            items.swap(low, low + at.unwrap_or(0));
            low += 1;
        }
    }
}

fn median(a: u64, b: u64, c: u64) -> u64 {
    a.max(b).min(a.min(b).max(c))
}

#[cfg(test)]
mod tests {
    use super::heap_sort_by;
    use super::quickselect_largest;
    use alloc::vec::Vec;

    #[test]
    fn sort_by_small_and_repeating_items_equals_core() {
        for len in 0..9 {
            for seed in 0..3u32.pow(len) {
                let items: Vec<u32> = (0..len).map(|at| seed / 3u32.pow(at) % 3).collect();
                let (mut ours, mut theirs) = (items.clone(), items);
                heap_sort_by(&mut ours, Ord::cmp);
                theirs.sort_unstable();
                assert_eq!(ours, theirs);
            }
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn select_largest_of_any_items_equals_the_front_of_a_sort(
            many: Vec<u64>,
            few in proptest::collection::vec(0u64..4, 0..40),
            k in 0usize..60,
        ) {
            for items in [many, few] {
                let (mut ours, mut theirs) = (items.clone(), items);
                quickselect_largest(&mut ours, k);
                theirs.sort_unstable_by(|a, b| b.cmp(a));
                let front = k.min(theirs.len());
                heap_sort_by(&mut ours[..front], |a, b| b.cmp(a));
                proptest::prop_assert_eq!(&ours[..front], &theirs[..front]);
                heap_sort_by(&mut ours, |a, b| b.cmp(a));
                proptest::prop_assert_eq!(ours, theirs);
            }
        }

        #[test]
        fn sort_by_any_items_equals_core(items: Vec<(u8, u64)>) {
            let (mut ours, mut theirs) = (items.clone(), items);
            heap_sort_by(&mut ours, |a, b| b.cmp(a));
            theirs.sort_unstable_by(|a, b| b.cmp(a));
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
