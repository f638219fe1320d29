//! Trains the table of the static embedder, `static-words.bin`, towards the built-in model:
//!
//! ```sh
//! CORACLE_DATA=… cargo run --release -p coracle-cli --example train_static -- src/native/model/static-words.bin
//! ```
//!
//! Texts are those of `docs-100k` (100,000 passages of documentation with their embeddings) and 20,000 of
//! its sentences; none of the judged collections takes part. A piece's row is what the model makes of the
//! piece alone, moved by ridge regression to where the texts that hold it lie: so pieces that these
//! texts lack still have a meaning.

use coracle::vector::row::encode_row;
use coracle::vector::row::row_len;
use coracle_cli::embed::Embedder;
use coracle_cli::embed::MiniLm;
use coracle_cli::embed::general_word_pieces;
use coracle_cli::fit::bags::Bags;
use coracle_cli::fit::ridge;
use coracle_cli::fit::ridge::RidgeParams;
use coracle_cli::fit::ridge::Targets;
use coracle_cli::fit::sentences;
use coracle_cli::projection;
use coracle_cli::projection::VectorDims;
use flate2::read::GzDecoder;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;

/// Components of a row: as many as an index keeps of the model's.
const DIM: usize = 192;

/// Bytes of the table at most.
const TABLE_BYTES: usize = 2_000_000;

/// Tokens of a passage that its embedding was made of.
const TOKENS: usize = 126;

/// Sentences that teach what single words mean.
const SENTENCES: usize = 20_000;

/// One text of so many is kept from the fit, to judge it by.
const HELD_OUT: usize = 50;

const RIDGE: RidgeParams = RidgeParams {
    lambda: 1.0,
    iterations_max: 20,
    tolerance: 0.01,
};

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).ok_or("which file?")?;
    let data = std::env::var_os("CORACLE_DATA").ok_or("CORACLE_DATA is not set")?;
    let folder = Path::new(&data).join("docs-100k");
    let model = MiniLm::new(None)?;
    let width = model.dim();

    // Texts and what the model makes of them.
    let file = BufReader::new(GzDecoder::new(File::open(folder.join("docs.jsonl.gz"))?));
    let mut passages = Vec::new();
    for line in file.lines() {
        let record: Value = serde_json::from_str(&line?)?;
        let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        passages.push(format!("{}. {}", field("title"), field("text")));
    }
    let mut rows = half_floats(&fs::read(folder.join("base.f16.npy"))?)?;
    let views: Vec<&str> = passages.iter().map(String::as_str).collect();
    let short: Vec<&str> = sentences::sample(&views, SENTENCES)
        .into_iter()
        .map(|(_, sentence)| sentence)
        .collect();
    eprintln!("{} passages, {} sentences", views.len(), short.len());
    let projection = projection::fit(&rows, width, VectorDims::Kept(DIM)).ok_or("too few")?;
    let project = |rows: &[f32]| -> Vec<f32> {
        let rows: Vec<&[f32]> = rows.chunks_exact(width).collect();
        let short = |row: &&[f32]| unit(projection.apply(row).expect("finite embeddings"));
        rows.par_iter().flat_map_iter(short).collect()
    };
    rows = project(&rows);
    rows.extend(project(&model.embed(&short, &|_| {})?));
    let texts: Vec<&str> = views.into_iter().chain(short).collect();

    // The word pieces that get rows, most frequent first, and what the model makes of each.
    let vocabulary = general_word_pieces()?;
    let letters = |piece: &str| piece.strip_prefix("##").unwrap_or(piece).to_owned();
    let is_latin =
        |piece: &str| !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_alphanumeric());
    let most = (TABLE_BYTES - 2 - vocabulary.len().div_ceil(8)) / row_len(DIM);
    let chosen: Vec<usize> = (0..vocabulary.len())
        .filter(|&id| is_latin(&letters(&vocabulary[id])))
        .take(most)
        .collect();
    let alone: Vec<String> = chosen.iter().map(|&id| letters(&vocabulary[id])).collect();
    let alone: Vec<&str> = alone.iter().map(String::as_str).collect();
    eprintln!("{} of {} word pieces", chosen.len(), vocabulary.len());
    let mut prior = project(&model.embed(&alone, &|_| {})?);
    centre(&mut prior);
    let mut feature = vec![None; vocabulary.len()];
    for (at, &id) in chosen.iter().enumerate() {
        feature[id] = Some(at as u32);
    }

    // Bags of word pieces, weighted √idf · √count.
    let counted: Vec<BTreeMap<u32, u32>> = texts
        .par_iter()
        .map(|text| {
            let mut counts = BTreeMap::new();
            for id in model.token_ids(text).into_iter().skip(1).take(TOKENS) {
                if let Some(at) = feature[id as usize] {
                    *counts.entry(at).or_insert(0) += 1;
                }
            }
            counts
        })
        .collect();
    let mut df = vec![0u32; chosen.len()];
    for &at in counted.iter().flat_map(BTreeMap::keys) {
        df[at as usize] += 1;
    }
    let count = texts.len() as f32;
    let idf: Vec<f32> = df
        .iter()
        .map(|&df| ((count + 1.0) / (df as f32 + 0.5)).ln())
        .collect();
    let is_held_out = |at: usize| at % HELD_OUT == 0;
    let (mut bags, mut held_out) = (Bags::new(chosen.len()), Bags::new(chosen.len()));
    let (mut targets, mut held_out_targets) = (Vec::new(), Vec::new());
    for (at, (counts, row)) in counted.iter().zip(rows.chunks_exact(DIM)).enumerate() {
        let weight = |(&at, &count): (&u32, &u32)| (at, (idf[at as usize] * count as f32).sqrt());
        let bag: Vec<(u32, f32)> = counts.iter().map(weight).collect();
        if is_held_out(at) {
            held_out.push(&bag);
            held_out_targets.extend_from_slice(row);
        } else {
            bags.push(&bag);
            targets.extend_from_slice(row);
        }
    }

    // The prior, as long as it explains the most, and what the texts add to it.
    let guess = sums(&bags, &prior);
    let scale = dot(&guess, &targets) / dot(&guess, &guess);
    prior.iter_mut().for_each(|x| *x *= scale);
    let rest: Vec<f32> = targets
        .iter()
        .zip(&guess)
        .map(|(target, guess)| target - scale * guess)
        .collect();
    eprintln!(
        "prior alone: {:.4}",
        cosine(&held_out, &prior, &held_out_targets)
    );
    let group = Targets {
        vectors: &rest,
        emphasis: 1.0,
    };
    let added = ridge::solve(&bags, &[group], DIM, &RIDGE, &|_| {})?;
    let mut rows: Vec<f32> = prior.iter().zip(&added).map(|(a, b)| a + b).collect();
    eprintln!("fitted: {:.4}", cosine(&held_out, &rows, &held_out_targets));
    for (row, idf) in rows.chunks_exact_mut(DIM).zip(&idf) {
        row.iter_mut().for_each(|x| *x *= idf.sqrt());
    }

    let mut table = (DIM as u16).to_le_bytes().to_vec();
    let bits = table.len();
    table.resize(bits + vocabulary.len().div_ceil(8), 0);
    for (id, row) in chosen.iter().zip(rows.chunks_exact(DIM)) {
        table[bits + id / 8] |= 1 << (id % 8);
        encode_row(row, &mut table)?;
    }
    eprintln!("{} bytes", table.len());
    fs::write(out, table)?;
    Ok(())
}

/// The numbers of an .npy file of 16-bit floats.
fn half_floats(file: &[u8]) -> Result<Vec<f32>, Box<dyn Error>> {
    let len = file.get(8..10).ok_or("no .npy file")?;
    let numbers = file.get(10 + usize::from(u16::from_le_bytes([len[0], len[1]]))..);
    let numbers = numbers.ok_or("no .npy file")?.chunks_exact(2);
    Ok(numbers
        .map(|bytes| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
        .collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>() as f32
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let norm = dot(&row, &row).sqrt().max(f32::MIN_POSITIVE);
    row.iter_mut().for_each(|x| *x /= norm);
    row
}

/// Takes the mean of all rows from each.
fn centre(rows: &mut [f32]) {
    let count = (rows.len() / DIM) as f32;
    let mut mean = [0.0; DIM];
    for row in rows.chunks_exact(DIM) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += x / count);
    }
    for row in rows.chunks_exact_mut(DIM) {
        row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
    }
}

/// The sum of rows of every bag.
fn sums(bags: &Bags, rows: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; bags.len() * DIM];
    for (at, sum) in out.chunks_exact_mut(DIM).enumerate() {
        for (feature, weight) in bags.bag(at) {
            let row = &rows[feature * DIM..][..DIM];
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += weight * x);
        }
    }
    out
}

/// The mean cosine between sums and what they should be.
fn cosine(bags: &Bags, rows: &[f32], targets: &[f32]) -> f32 {
    let sums = sums(bags, rows);
    let pairs = sums.chunks_exact(DIM).zip(targets.chunks_exact(DIM));
    let cosines = pairs.map(|(sum, target)| dot(&unit(sum.to_vec()), target));
    cosines.sum::<f32>() / bags.len() as f32
}
