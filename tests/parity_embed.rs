//! Query vectors have the same bits on every machine: this file is compiled for the host and for
//! WebAssembly, and both must reproduce the numbers written down here.
//!
//! `cargo test --target wasm32-unknown-unknown --test parity_embed` runs it as a module.

use coracle::embed::QueryVector;
use coracle::embed::piece::decompose;
use coracle::vector::row::Row;
use coracle::vector::row::encode_row;
use xxhash_rust::xxh3::xxh3_64;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Hashes of encoded rows of 1, 7, 384 and 769 components.
const ROWS: [u64; 4] = [
    0xf3d1_53d1_bc87_320a,
    0x9579_9545_9402_e4e5,
    0x7ba6_7e83_4830_16b9,
    0xf487_620c_ca7d_9fb3,
];

/// Bits of a decoded row.
const DECODED: [u32; 6] = [
    0x3ecc_b217,
    0xbf99_8591,
    0x3f99_8591,
    0xbecc_b217,
    0xbfff_de9d,
    0x3ecc_b217,
];

/// Hashes of query vectors, by components and rows.
const QUERIES: [((usize, u32), u64); 5] = [
    ((1, 1), 0xf87b_0547_1331_b3ae),
    ((7, 3), 0x7cb1_1dbe_511b_ca97),
    ((384, 1), 0x72c2_c815_e146_487a),
    ((384, 9), 0xc194_b2fc_6316_315e),
    ((769, 40), 0x9d6a_98b7_5237_5df7),
];

/// The components of row `row`: sixty-fourths that repeat late, and a few outliers.
fn components(row: u32, dim: usize) -> Vec<f32> {
    (0..dim as u32)
        .map(|i| {
            let mixed = (i + 1)
                .wrapping_mul(2_654_435_761)
                .wrapping_add(row * 40_503)
                >> 16;
            let outlier = if mixed % 97 == 0 { 5.0 } else { 1.0 };
            outlier * ((mixed % 257) as f32 - 128.0) / 64.0
        })
        .collect()
}

fn encoded(row: u32, dim: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_row(&components(row, dim), &mut bytes).expect("finite");
    bytes
}

/// A hash of the bits of a vector.
fn hash(vector: &[f32]) -> u64 {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

fn query(dim: usize, rows: u32) -> Vec<f32> {
    let mut query = QueryVector::new(dim);
    for row in 0..rows {
        let weight = 1.0 / (row + 1) as f32;
        query.add(&encoded(row, dim), weight).expect("valid row");
    }
    query.finish().expect("a direction")
}

#[test]
fn encoded_rows_have_these_bytes() {
    let hashes = [1, 7, 384, 769].map(|dim| xxh3_64(&encoded(3, dim)));
    assert_eq!(hashes, ROWS, "{hashes:#x?}");
}

#[test]
fn decoded_rows_have_these_bits() {
    let decoded = Row::parse(&encoded(5, 6), 6).expect("valid").decode();
    assert_eq!(
        decoded.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        DECODED,
        "{decoded:?}"
    );
}

#[test]
fn query_vectors_have_these_bits() {
    for ((dim, rows), expected) in QUERIES {
        let found = hash(&query(dim, rows));
        assert_eq!(found, expected, "{rows} rows of {dim}: {found:#x}");
    }
}

#[test]
fn pieces_of_a_word_are_the_same() {
    let dictionary = ["multi", "##thread", "##ed", "##ness"];
    let pieces =
        decompose("multithreadedness", &mut |key| dictionary.contains(&key)).expect("pieces");
    assert_eq!(
        (pieces.keys, pieces.weight),
        (dictionary.map(String::from).to_vec(), 0.5)
    );
}
