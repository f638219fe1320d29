//! Embeddings and exact answers in NumPy files.

// WebAssembly only reads queries.
#![cfg_attr(target_family = "wasm", allow(dead_code))]

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use half::f16;
use npyz::Deserialize;
use npyz::NpyFile;

/// Rows of numbers, row-major.
#[derive(Debug)]
pub struct Matrix<T> {
    pub rows: Vec<T>,
    pub dims: usize,
    /// Rows in the file, of which there may be more than were read.
    pub rows_in_file: usize,
}

impl<T> Matrix<T> {
    /// The rows, one by one.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, T> {
        self.rows.chunks_exact(self.dims)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dims
    }
}

impl Matrix<f32> {
    /// Reads at most `limit` rows of 32-bit floats.
    pub fn read_f32(path: &Path, limit: usize) -> Result<Self, Box<dyn Error>> {
        read(path, limit, |x: f32| x)
    }

    /// Reads at most `limit` rows of 16-bit floats.
    pub fn read_f16(path: &Path, limit: usize) -> Result<Self, Box<dyn Error>> {
        read(path, limit, f16::to_f32)
    }
}

impl Matrix<u32> {
    /// Reads all rows of ids, stored as signed numbers.
    pub fn read_ids(path: &Path) -> Result<Self, Box<dyn Error>> {
        read(path, usize::MAX, |id: i32| id as u32)
    }
}

fn read<S: Deserialize, T>(
    path: &Path,
    limit: usize,
    convert: impl Fn(S) -> T,
) -> Result<Matrix<T>, Box<dyn Error>> {
    let name = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| name(&error))?;
    let npy = NpyFile::new(BufReader::new(file)).map_err(|error| name(&error))?;
    let &[rows_in_file, dims] = npy.shape() else {
        return Err(name(&"is not an array of two dimensions").into());
    };
    let (rows_in_file, dims) = (usize::try_from(rows_in_file)?, usize::try_from(dims)?);
    if dims == 0 {
        return Err(name(&"has rows without numbers").into());
    }
    let numbers = npy.data::<S>().map_err(|error| name(&error))?;
    let rows = numbers
        .take(limit.min(rows_in_file) * dims)
        .map(|number| number.map(&convert))
        .collect::<Result<_, _>>()
        .map_err(|error| name(&error))?;
    Ok(Matrix {
        rows,
        dims,
        rows_in_file,
    })
}
