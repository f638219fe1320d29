//! Vectors give the same bits on every machine: this file is compiled for the host and for
//! WebAssembly, and both must reproduce the numbers written down here.

use coracle::bytes::Writer;
use coracle::cells::CellParams;
use coracle::cells::CellScratch;
use coracle::cells::Descent;
use coracle::cells::Probe;
use coracle::cells::Reach;
use coracle::cells::Router;
use coracle::executor::Serial;
use coracle::graph::GraphParams;
use coracle::graph::SearchScratch;
use coracle::graph::build;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::arch::all_kernels;
use coracle::vector::arch::parity::compare;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryRows;
use coracle::vector::binary::BinaryWriter;
use coracle::vector::int8::Int8Codes;
use coracle::vector::int8::rescore;
use coracle::vector::rotate::SplitMix64;
use coracle::vector::topk::Candidate;
use xxhash_rust::xxh3::xxh3_64;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn kernels_of_this_machine_equal_the_scalar_ones() {
    for kernels in all_kernels() {
        if let Err(difference) = compare(kernels, 1) {
            panic!("{}: {difference}", kernels.name);
        }
    }
}

#[cfg(target_feature = "simd128")]
#[test]
fn kernels_of_a_simd_module_use_simd() {
    assert_eq!(coracle::vector::arch::kernels().name, "simd128");
}

/// Per shape: hashes of the parameters, 1-bit codes, int8 codes, links, and scores; nodes scored.
const RECORDED: [[u64; 6]; 5] = [
    [
        0x1e60_62d4_d894_bd34,
        0xa080_fb04_6510_638e,
        0x1d65_3be6_8f0d_e24a,
        0x1788_93fe_44d8_acf1,
        0xff20_e15a_ae51_ed3b,
        175,
    ],
    [
        0x731c_7451_05a9_0d6f,
        0x3aba_409e_482c_fc27,
        0xf85a_274e_01ee_360f,
        0xb068_a55e_881f_45b7,
        0x95ab_4961_d30c_f992,
        487,
    ],
    [
        0x3a69_0ac2_e93c_a9ca,
        0x8b3d_d1a4_9dff_08e4,
        0xb7ba_ad8d_7b43_61a4,
        0x0892_7aac_35c4_a689,
        0x44d5_40e9_9708_35a3,
        471,
    ],
    [
        0x9c0f_127f_0efc_9cbe,
        0xd483_b89e_0fea_0572,
        0xeecb_a826_5d1a_aaae,
        0xfb53_8dab_f5f4_ef06,
        0x41cc_faf0_6c98_06cc,
        549,
    ],
    [
        0x528a_5def_7c92_b0b6,
        0xc728_c8db_6121_625b,
        0x5214_9dd4_2c2f_bcff,
        0x345a_4cea_5986_1150,
        0xbfe8_ef38_6869_ecf1,
        484,
    ],
];

/// Per shape: hashes of the stored cells and of what searches find; blocks scanned.
const RECORDED_CELLS: [[u64; 3]; 4] = [
    [0xdd7e_d4c0_340b_504d, 0x305f_163e_cf6c_08a1, 1780],
    [0x7cbc_fa5d_355d_a62f, 0xa5f5_efa6_4314_4da5, 1680],
    [0xd370_87b4_48c5_d667, 0xa0ad_ee8e_836c_fc97, 1888],
    [0x2de8_d43d_7c0f_d35b, 0x4b39_18ab_60c7_6bd5, 1811],
];

/// Rows around a few centres, as embeddings of related texts are.
fn rows(count: usize, dim: usize) -> Vec<Vec<f32>> {
    let mut random = SplitMix64::new(dim as u64);
    let mut uniform = move || (random.below(1 << 24) as f32) / (1 << 23) as f32 - 1.0;
    let centres: Vec<Vec<f32>> = (0..8)
        .map(|_| (0..dim).map(|_| uniform()).collect())
        .collect();
    (0..count)
        .map(|row| {
            centres[row % 8]
                .iter()
                .map(|x| x + 0.5 * uniform() + 0.2)
                .collect()
        })
        .collect()
}

/// Hashes of everything that is computed from the rows of one shape.
fn fingerprint(metric: Metric, dim: usize) -> [u64; 6] {
    let rows = rows(300, dim);
    let (queries, rows) = rows.split_at(8);
    let quantizer = Quantizer::train(metric, dim, 42, rows).unwrap();
    let mut parameters = Writer::new();
    quantizer.write(&mut parameters);

    let (mut blocks, mut int8) = (BinaryWriter::new(quantizer.code_dim()), Vec::new());
    for row in rows {
        let code = quantizer.encode_row(row).unwrap();
        blocks.push(&code);
        int8.extend_from_slice(&code.int8);
    }
    let blocks = blocks.into_bytes();
    let codes = BinaryCodes::parse(&blocks, rows.len(), &quantizer).unwrap();
    let resident = BinaryRows::new(&codes);
    let int8_codes = Int8Codes::parse(bytemuck::cast_slice(&int8), rows.len(), &quantizer).unwrap();

    let params = GraphParams {
        m: 4,
        m0: 8,
        ef_construction: 32,
        seed: 5,
    };
    let graph = build(
        &int8,
        quantizer.code_dim(),
        &params,
        &Serial,
        &mut |_, _| {},
    )
    .unwrap();
    let mut links = Writer::new();
    graph.write(&mut links);

    let mut scores = Writer::new();
    let mut found = |candidates: &[Candidate]| {
        for candidate in candidates {
            scores.u32(candidate.id);
            scores.u32(candidate.score.to_bits());
        }
    };
    let mut scratch = SearchScratch::new();
    for query in queries {
        let query = Query::new(&quantizer, query).unwrap();
        let scanned = codes.scan(&query, None, rows.len());
        found(&scanned);
        for candidate in &scanned {
            let row_score = resident.score(&query, candidate.id).unwrap();
            assert_eq!(row_score.to_bits(), candidate.score.to_bits());
        }
        found(&rescore(&query, &int8_codes, &scanned, rows.len()));
        found(&graph.search(&resident, &query, 20, None, &mut scratch));
    }
    let int8_bytes: &[u8] = bytemuck::cast_slice(&int8);
    [
        xxh3_64(&parameters.into_bytes()),
        xxh3_64(&blocks),
        xxh3_64(int8_bytes),
        xxh3_64(&links.into_bytes()),
        xxh3_64(&scores.into_bytes()),
        scratch.scored(),
    ]
}

#[test]
fn codes_graph_and_scores_have_the_recorded_bits() {
    let shapes = [
        (Metric::Cosine, 1),
        (Metric::Cosine, 100),
        (Metric::Dot, 192),
        (Metric::Cosine, 384),
        (Metric::Dot, 1024),
    ];
    let found = shapes.map(|(metric, dim)| fingerprint(metric, dim));
    assert_eq!(found, RECORDED, "{found:#018x?}");
}

/// Hashes of cells over the rows of one shape.
fn cells_fingerprint(metric: Metric, dim: usize, copies: usize) -> [u64; 3] {
    let rows = rows(600, dim);
    let (queries, rows) = rows.split_at(8);
    let quantizer = Quantizer::train(metric, dim, 42, rows).unwrap();
    let int8: Vec<i8> = rows
        .iter()
        .flat_map(|row| quantizer.encode_row(row).unwrap().int8)
        .collect();
    let params = CellParams {
        rows_per_cell: 6,
        copies,
        // Two levels of centroids.
        top: 32,
        seed: 5,
    };
    let cells = coracle::cells::build(&int8, &quantizer, &params, &Serial, &mut |_, _| {}).unwrap();
    let mut stored = Writer::new();
    cells.write(&mut stored);
    let apart = cells.store(4);

    let mut found = Writer::new();
    let mut scratch = CellScratch::new();
    let odd = [0xaaaa_aaaa_aaaa_aaaa; 10];
    let rare = [0x8000; 10];
    let probes = [
        (usize::MAX, usize::MAX, 1000),
        (4, 12, 50),
        (2, 100, 20),
        (1, 1, 10),
    ];
    for query in queries {
        let query = Query::new(&quantizer, query).unwrap();
        for (patience, nprobe, candidates) in probes {
            let probe = Probe {
                patience,
                nprobe,
                candidates,
            };
            for allowed in [None, Some(&odd[..]), Some(&rare[..])] {
                for candidate in cells.search(&query, &probe, allowed, &mut scratch) {
                    found.u32(candidate.id);
                    found.u32(candidate.score.to_bits());
                }
            }
        }
        let router = Router::parse(&apart.router, rows.len(), &quantizer).unwrap();
        for (bytes, allowed) in [(0, None), (4000, None), (2000, Some(&odd[..]))] {
            let reach = Reach::new(metric, bytes);
            let mut descent = Descent::new(&router, &query, allowed, reach).unwrap();
            loop {
                let places = descent.wanted(10);
                if places.is_empty() {
                    break;
                }
                let cells = places.iter().map(|&place| apart.cell(place).unwrap());
                descent.take(&cells.collect::<Vec<_>>()).unwrap();
            }
            for candidate in descent.nearest(30) {
                found.u32(candidate.id);
                found.u32(candidate.score.to_bits());
            }
        }
        cells.estimate(&query, 0..rows.len() as u32, |candidate| {
            found.u32(candidate.score.to_bits());
        });
    }
    [
        xxh3_64(&stored.into_bytes()),
        xxh3_64(&found.into_bytes()),
        scratch.blocks(),
    ]
}

#[test]
fn cells_have_the_recorded_bits() {
    let shapes = [
        (Metric::Cosine, 1, 1),
        (Metric::Cosine, 100, 2),
        (Metric::Dot, 192, 3),
        (Metric::Cosine, 384, 2),
    ];
    let found = shapes.map(|(metric, dim, copies)| cells_fingerprint(metric, dim, copies));
    assert_eq!(found, RECORDED_CELLS, "{found:#018x?}");
}
