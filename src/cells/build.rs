//! Levels of cells, from the bottom up.

use alloc::vec::Vec;

use super::CellParams;
use super::Cells;
use super::CellsError;
use super::Head;
use super::Level;
use super::MAX_COPIES;
use super::MAX_ROWS;
use super::Rows;
use super::encode::ResidualCode;
use super::encode::code_of;
use super::encode::point_of;
use super::kmeans;
use super::spill;
use crate::executor::Executor;
use crate::vector::Quantizer;
use crate::vector::arithmetic;
use crate::vector::arithmetic::dot;

/// Centroids for each cell on the levels between rows and the top.
const CENTROIDS_PER_CELL: usize = 24;

/// Copies of centroids on these levels: they are few, and finding the right ones is all.
const CENTROID_COPIES: usize = 2;

/// Nearest centroids among which the cells of a row are chosen.
const SPILL_AMONG: usize = 32;

/// Builds cells over `codes`: int8 rows of `code_dim` numbers made by `quantizer`, row-major.
///
/// `progress` is told steps done and steps in all.
///
/// The result depends on codes, quantizer and parameters only, not on the threads of `executor`.
///
/// Cost: `4 * rows / rows_per_cell` integer dot products a row up to 4,096 cells, some 2,000 more for
/// every further factor of ten; memory 150 bytes a row beside the codes and the cells.
///
/// # Errors
/// [`CellsError`] if parameters or lengths are out of range.
pub fn build(
    codes: &[i8],
    quantizer: &Quantizer,
    params: &CellParams,
    executor: &impl Executor,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Cells, CellsError> {
    let &CellParams {
        rows_per_cell,
        copies,
        top,
        seed,
    } = params;
    let code_dim = quantizer.code_dim();
    if rows_per_cell < 2 || !(1..=MAX_COPIES).contains(&copies) {
        return Err(CellsError::BadParams(*params));
    }
    if !codes.len().is_multiple_of(code_dim) {
        let len = codes.len();
        return Err(CellsError::PartialRow { len, code_dim });
    }
    let rows = codes.len() / code_dim;
    // Even half-empty blocks of all copies can then be numbered.
    if rows > MAX_ROWS {
        return Err(CellsError::TooManyRows { rows });
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut members = Rows { codes, code_dim };
    let mut centroids;
    while members.len() > 0 {
        let level;
        let bottom = levels.is_empty();
        let (per_cell, copies) = match bottom {
            true => (rows_per_cell, copies),
            false => (CENTROIDS_PER_CELL, CENTROID_COPIES),
        };
        let mut progress = |done, all| {
            if bottom {
                progress(done, all);
            }
        };
        if members.len() <= per_cell.max(if bottom { 0 } else { top }) {
            levels.push(top_level(quantizer, members, executor));
            break;
        }
        let count = members.len().div_ceil(per_cell);
        (level, centroids) = build_level(
            quantizer,
            members,
            count,
            copies,
            seed,
            executor,
            &mut progress,
        );
        levels.push(level);
        members = Rows {
            codes: &centroids,
            code_dim,
        };
    }
    // Every row chooses at least one cell, so all have a place.
    Cells::new(code_dim, levels).ok_or(CellsError::TooManyRows { rows })
}

/// All of `rows` in one cell around the mean.
fn top_level(quantizer: &Quantizer, rows: Rows<'_>, executor: &impl Executor) -> Level {
    let members = alloc::vec![(0..rows.len() as u32).collect()];
    let centroid = alloc::vec![0; rows.code_dim];
    let mut level = encode_level(quantizer, rows, &centroid, &[1.0], &members, executor);
    // It is the mean's.
    level.centroids.clear();
    level
}

/// One level over `rows`, and the directions of its centroids: int8 codes, row-major.
fn build_level(
    quantizer: &Quantizer,
    rows: Rows<'_>,
    count: usize,
    copies: usize,
    seed: u64,
    executor: &impl Executor,
    progress: &mut dyn FnMut(usize, usize),
) -> (Level, Vec<i8>) {
    let row_norms = kmeans::norms(rows);
    let directions = kmeans::train(
        quantizer,
        rows,
        &row_norms,
        count,
        seed,
        executor,
        &mut |done, all| progress(done, all + 2),
    );
    let among = if copies > 1 { SPILL_AMONG } else { 1 };
    let chosen = kmeans::nearest(
        rows,
        &row_norms,
        &directions,
        among,
        executor,
        |distances, row, nearest| spill::choose(distances, row, nearest, copies),
    );
    progress(kmeans::PASSES + 1, kmeans::PASSES + 2);
    let mut members: Vec<Vec<u32>> = alloc::vec![Vec::new(); count];
    for (cells, row) in chosen.iter().zip(0..) {
        for &cell in cells {
            members[cell as usize].push(row);
        }
    }
    let scaled = executor.map(count, |cell| {
        let direction = &directions[cell * rows.code_dim..][..rows.code_dim];
        scaled_to(quantizer, direction, rows, &members[cell])
    });
    let centroids: Vec<i8> = scaled.iter().flat_map(|(code, _)| code).copied().collect();
    let weights: Vec<f32> = scaled.into_iter().map(|(_, weight)| weight).collect();
    let level = encode_level(quantizer, rows, &centroids, &weights, &members, executor);
    progress(kmeans::PASSES + 2, kmeans::PASSES + 2);
    (level, directions)
}

/// The point along a direction that is nearest to some rows on average, and what scales it back.
///
/// A direction has the length of a row, but the mean of rows that point apart is shorter, and their
/// residuals from there are too.
fn scaled_to(
    quantizer: &Quantizer,
    direction: &[i8],
    rows: Rows<'_>,
    members: &[u32],
) -> (Vec<i8>, f32) {
    let mut point = point_of(quantizer, direction);
    let along: f64 = members
        .iter()
        .map(|&id| dot(&point, &point_of(quantizer, rows.row(id as usize))))
        .sum();
    let length = dot(&point, &point) * members.len() as f64;
    let scale = if length > 0.0 { along / length } else { 1.0 };
    let scale = scale.clamp(0.05, 1.0) as f32;
    arithmetic::map(&mut point, |x| x * scale);
    (code_of(quantizer, &point), 1.0 / scale)
}

/// A level whose cells are known.
fn encode_level(
    quantizer: &Quantizer,
    rows: Rows<'_>,
    centroids: &[i8],
    weights: &[f32],
    members: &[Vec<u32>],
    executor: &impl Executor,
) -> Level {
    let centroid = |cell: usize| &centroids[cell * rows.code_dim..][..rows.code_dim];
    let coded = executor.map(members.len(), |cell| {
        let code =
            |&row: &u32| ResidualCode::new(quantizer, rows.row(row as usize), centroid(cell));
        members[cell].iter().map(code).collect::<Vec<_>>()
    });
    let mut level = Level::new(rows.len());
    for (cell, (codes, ids)) in coded.iter().zip(members).enumerate() {
        let largest = |of: fn(&ResidualCode) -> f64| codes.iter().map(of).fold(0.0, f64::max);
        let head = Head {
            weight: weights[cell],
            rescale_step: (largest(|code| code.rescale) / f64::from(u8::MAX)) as f32,
            offset_step: (largest(|code| code.offset.abs()) / f64::from(i8::MAX)) as f32,
        };
        let members = codes.iter().zip(ids).map(|(code, &id)| {
            let factors = code.factors(head.rescale_step, head.offset_step);
            (id, code.signs.as_slice(), factors)
        });
        level.push(rows.code_dim, head, centroid(cell), members);
    }
    level
}
