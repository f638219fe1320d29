//! Searches that read the cells they need, against those of cells in memory.

use super::ALL;
use super::Sample;
use super::bitmap;
use crate::cells::CellParams;
use crate::cells::Cells;
use crate::cells::Descent;
use crate::cells::Place;
use crate::cells::Reach;
use crate::cells::RouteFinder;
use crate::cells::RoutedCells;
use crate::cells::Router;
use crate::vector::Metric;
use crate::vector::topk::Candidate;
use std::collections::BTreeMap;
use std::vec::Vec;

/// Cells of six rows each.
fn small_cells(sample: &Sample, copies: usize, top: usize) -> Cells {
    sample.build(CellParams {
        rows_per_cell: 6,
        copies,
        top,
        seed: 3,
    })
}

/// What a search that reads the cells it needs finds, and the bytes of the cells.
fn descend(
    sample: &Sample,
    cells: &Cells,
    allowed: Option<&[u64]>,
    reach: Reach,
    depth: usize,
) -> (Vec<Candidate>, u64) {
    let stored = cells.store(4);
    let router = Router::parse(&stored.router, sample.count, &sample.quantizer).expect("router");
    assert_eq!(router.cell_count(), cells.cell_count());
    let mut descent = Descent::new(&router, &sample.query, allowed, reach).expect("descent");
    let mut read = 0;
    loop {
        let places = descent.wanted(depth);
        if places.is_empty() {
            return (descent.nearest(usize::MAX), read);
        }
        read += places.iter().map(|place| u64::from(place.len)).sum::<u64>();
        let cells = places
            .iter()
            .map(|&place| stored.cell(place).expect("a cell"));
        descent.take(&cells.collect::<Vec<_>>()).expect("cells");
    }
}

#[test]
fn cells_read_one_by_one_score_rows_as_cells_in_memory_do() {
    for (top, dim) in [(usize::MAX, 64), (1, 100), (1, 192)] {
        let sample = Sample::new(Metric::Cosine, dim, 900, 700);
        let cells = small_cells(&sample, 1, top);
        let all: BTreeMap<u32, u32> = sample
            .search(&cells, ALL, None)
            .into_iter()
            .map(|found| (found.id, found.score.to_bits()))
            .collect();
        let mut last = 0;
        for bytes in [0, 5_000, 20_000, u64::MAX] {
            let reach = Reach {
                bytes,
                upper_bytes: 12_000,
                gap: f32::INFINITY,
            };
            let (found, read) = descend(&sample, &cells, None, reach, 1);
            for row in &found {
                assert_eq!(all[&row.id], row.score.to_bits(), "row {}", row.id);
            }
            assert!(found.windows(2).all(|pair| pair[0].key() > pair[1].key()));
            assert!(
                found.len() > last && (bytes > 0 || read < 40_000),
                "{bytes}"
            );
            last = found.len();
        }
        if top > 1 {
            assert_eq!(last, 900);
        }
    }
}

#[test]
fn routes_of_a_vector_lead_to_the_cells_that_the_router_leads_it_to() {
    let sample = Sample::new(Metric::Cosine, 64, 900, 700);
    let cells = small_cells(&sample, 1, usize::MAX);
    let stored = cells.store(4);
    let router = Router::parse(&stored.router, sample.count, &sample.quantizer).expect("router");
    let finder = RouteFinder::new(sample.quantizer.clone(), router.clone()).expect("one level");
    let bytes = RoutedCells::write(&finder, &stored.places);
    let routed =
        RoutedCells::parse(&bytes, sample.count, &sample.quantizer).expect("places of cells");
    for len in 0..bytes.len() {
        assert!(RoutedCells::parse(&bytes[..len], sample.count, &sample.quantizer).is_err());
    }
    let reach = Reach {
        bytes: u64::MAX,
        upper_bytes: u64::MAX,
        gap: f32::INFINITY,
    };
    // A sum of two rows, as a query of two words is.
    let mut scores = routed.scores();
    for (part, weight) in [(0.6, 0.5), (0.35, 2.0)] {
        let row: Vec<f32> = sample.asked.iter().map(|x| part * x).collect();
        let routes = finder.routes(&row).expect("a row");
        scores.add(&routes, weight).expect("routes");
    }
    let descent = Descent::new(&router, &sample.query, None, reach);
    let by_router = descent.expect("descent").wanted(1);
    let mut descent = Descent::routed(&routed, &scores, &sample.query, None, reach);
    let by_routes = descent.wanted(1);
    // Gains have 16 levels, so near ones change places.
    assert!(by_router[..8].contains(&by_routes[0]));
    assert!(
        by_routes[..4]
            .iter()
            .all(|place| by_router[..12].contains(place))
    );
    // All others follow, and are searched alike.
    let sorted = |mut places: Vec<Place>| {
        places.sort_unstable();
        places
    };
    assert_eq!(sorted(by_routes.clone()), sorted(by_router));
    let read: Vec<&[u8]> = by_routes
        .iter()
        .map(|&place| stored.cell(place).expect("a cell"))
        .collect();
    descent.take(&read).expect("cells");
    let (all, _) = descend(&sample, &cells, None, reach, 1);
    assert!(descent.nearest(usize::MAX) == all);
}

#[test]
fn no_routes_lead_through_groups() {
    let sample = Sample::new(Metric::Cosine, 64, 900, 700);
    let stored = small_cells(&sample, 1, 1).store(4);
    let router = Router::parse(&stored.router, sample.count, &sample.quantizer).expect("router");
    assert!(RouteFinder::new(sample.quantizer.clone(), router).is_none());
}

#[test]
fn router_of_the_specification_is_read_as_it_says() {
    let example = [
        [1, 1, 2, 0, 0, 0, 0x3f, 0, 0, 0x80, 0x3e].as_slice(),
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[3, 5, 0xff, 2],
    ]
    .concat();
    let sample = Sample::new(Metric::Cosine, 64, 2, 2);
    let router = Router::parse(&example, 2, &sample.quantizer).expect("router");
    let none: [Vec<&[u8]>; 0] = [];
    let cells = Cells::load(&router, &none).expect("cells");
    assert_eq!((router.levels(), cells.len()), (1, 2));
    assert_eq!(cells.store(0).router, example);
    let level = &cells.levels[0];
    assert_eq!(
        (level.heads[0].rescale_step, level.heads[0].offset_step),
        (0.5, 0.25)
    );
    // Row 0 has the lowest bit of the first nibble, and factors follow the signs.
    assert_eq!(level.blocks[..2], [1, 0]);
    assert_eq!(level.blocks[256..260], [3, 0, 5, 0]);
    assert_eq!(level.blocks[320..324], [0xff, 0xff, 2, 0]);
}

#[test]
fn a_search_reads_on_until_it_has_found_as_many_rows_as_are_wanted() {
    let sample = Sample::new(Metric::Cosine, 64, 900, 900);
    let cells = small_cells(&sample, 2, usize::MAX);
    let allowed = bitmap(900, |id| id % 90 == 7);
    let reach = Reach {
        bytes: 0,
        upper_bytes: 12_000,
        gap: 0.0,
    };
    for depth in [1, 5, 10, 100] {
        let (found, _) = descend(&sample, &cells, Some(&allowed), reach, depth);
        assert!(found.len() >= depth.min(10), "{depth}: {}", found.len());
        assert!(found.iter().all(|row| row.id % 90 == 7));
    }
}

#[test]
fn cells_of_the_upper_levels_lie_behind_all_others() {
    let sample = Sample::new(Metric::Cosine, 64, 900, 900);
    for (top, levels) in [(usize::MAX, 2), (20, 3)] {
        let cells = small_cells(&sample, 1, top);
        assert_eq!(cells.levels.len(), levels);
        let stored = cells.store(4);
        let first_upper = cells.levels[0].len();
        let upper: u64 = stored.places[first_upper..]
            .iter()
            .map(|place| u64::from(place.len))
            .sum();
        assert_eq!(stored.upper_len, upper);
        assert_eq!(upper > 0, levels > 2);
        // The router leads to the highest of them.
        let router = Router::parse(&stored.router, 900, &sample.quantizer).expect("router");
        let topmost = [router.top().to_vec()];
        let below = router.places(levels - 1, &topmost).expect("places");
        let groups = match levels {
            2 => &stored.places[..first_upper],
            _ => &stored.places[first_upper..],
        };
        assert_eq!(below, groups);
    }
}
