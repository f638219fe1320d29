//! `coracle inspect`: what an index holds and where its bytes go.

use crate::budget::ColdCost;
use crate::error::Failure;
use crate::signing::PublicKeys;
use crate::source::Input;
use coracle::index::Access;
use coracle::index::FORMAT_VERSION;
use coracle::index::Root;
use coracle::search::Engine;
use serde_json::Value as Json;
use serde_json::json;
use std::fmt::Write;

/// Reads the root of the index at `place`.
///
/// # Errors
/// [`Failure`] when it cannot be read.
pub fn root(place: &str, keys: Option<&PublicKeys>) -> Result<Root, Failure> {
    let source = Input::open(place, keys).map_err(coracle::store::StoreError::from)?;
    let engine = pollster::block_on(Engine::open(source, 0))?;
    Ok(engine.root().clone())
}

/// Bytes of the body by section, largest first.
fn sections(root: &Root) -> Vec<(&'static str, u64)> {
    let mut starts = root.sections();
    starts.push((root.body_len, ""));
    let mut sizes: Vec<(&'static str, u64)> = starts
        .windows(2)
        .map(|pair| (pair[0].1, pair[1].0 - pair[0].0))
        .collect();
    sizes.sort_by_key(|&(_, bytes)| core::cmp::Reverse(bytes));
    sizes
}

/// The setting of a search by meaning, name by name.
fn setting(access: &Access) -> Vec<(&'static str, u32)> {
    match *access {
        Access::Scan { .. } => Vec::new(),
        Access::Graph { ef_search, .. } => vec![("ef_search", ef_search)],
        Access::Cells {
            patience, nprobe, ..
        } => vec![("patience", patience), ("nprobe", nprobe)],
    }
}

fn figure(root: &Root, name: &str) -> Option<f64> {
    let mut figures = root.figures.iter();
    figures
        .find(|(figure, _)| figure == name)
        .map(|&(_, value)| value)
}

/// The root as JSON.
pub fn to_json(root: &Root) -> Json {
    let counts = &root.counts;
    json!({
        "format_version": FORMAT_VERSION,
        "build_id": format!("{:016x}", root.build_id),
        "documents": counts.documents,
        "chunks": counts.chunks,
        "terms": counts.terms,
        "postings": counts.postings,
        "text_bytes": counts.text_bytes,
        "analyzer": root.analyzer,
        "files": root.files.hashes.len() + 1,
        "ranged": root.files.ranged,
        "part_bytes": root.files.part_bytes,
        "root_bytes": root.to_bytes().len(),
        "term_directory_bytes": root.term_directory.len(),
        "spelling_directory_bytes": root.spelling_directory.len(),
        "body_bytes": root.body_len,
        "sections": sections(root).into_iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect::<Vec<_>>(),
        "fields": root.columns.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "vectors": root.vectors.as_ref().map(|vectors| json!({
            "embedder": vectors.embedder,
            "dim": vectors.dim,
            "input_dim": vectors.input_dim(),
            "metric": format!("{:?}", vectors.metric).to_lowercase(),
            "term_rows": vectors.term_rows.is_some(),
            "term_rows_least_df": vectors.term_rows,
            "candidates": vectors.candidates,
            "access": vectors.access.name(),
            "setting": setting(&vectors.access).into_iter().map(|(name, value)| (name.to_string(), json!(value))).collect::<serde_json::Map<_, _>>(),
        })),
        "figures": root.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
    })
}

/// The root for people.
pub fn to_text(root: &Root) -> String {
    let bytes = |n: u64| indicatif::DecimalBytes(n).to_string();
    let count = |n: u64| indicatif::HumanCount(n).to_string();
    let counts = &root.counts;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "build    {:016x}, format {FORMAT_VERSION}\nholds    {} documents, {} chunks, {} terms, {} postings",
        root.build_id,
        count(counts.documents.into()),
        count(counts.chunks.into()),
        count(counts.terms.into()),
        count(counts.postings)
    );
    match &root.vectors {
        None => out.push_str("vectors  none: keyword search only\n"),
        Some(vectors) => {
            let offline = if vectors.term_rows.is_some() {
                "offline by term rows"
            } else {
                "given by the caller"
            };
            let of = match vectors.projection {
                Some(projection) => format!(" of {}", projection.input_dim),
                None => String::new(),
            };
            let _ = writeln!(
                out,
                "vectors  {} × {}{of}; query embeddings {offline}\nembedder {}",
                count(counts.chunks.into()),
                vectors.dim,
                vectors.embedder
            );
            let _ = write!(out, "found by {}", vectors.access.name());
            for (name, value) in setting(&vectors.access) {
                let _ = write!(out, ", {name} {value}");
            }
            let _ = writeln!(out, "; {} candidates", vectors.candidates);
            if let (Some(recall), Some(target)) =
                (figure(root, "recall_at_10"), figure(root, "recall_target"))
            {
                let queries = figure(root, "recall_queries").unwrap_or_default();
                let _ = writeln!(
                    out,
                    "recall   {recall:.3} of the true 10 nearest over {queries} queries; \
                     {target} were asked for"
                );
            }
            if let Some(recall) = figure(root, "recall_at_10_cold") {
                let _ = writeln!(
                    out,
                    "         {recall:.3} of them by searches that read a few cells"
                );
            }
        }
    }
    if !root.columns.is_empty() {
        let names: Vec<&str> = root.columns.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(out, "fields   {}", names.join(", "));
    }
    let how = if root.files.ranged {
        "read by range"
    } else {
        "read whole"
    };
    let _ = writeln!(
        out,
        "files    {} of up to {}, {how}, and a root of {} (directories: terms {}, spelling {})",
        count(root.files.hashes.len() as u64),
        bytes(root.files.part_bytes),
        bytes(root.to_bytes().len() as u64),
        bytes(root.term_directory.len() as u64),
        bytes(root.spelling_directory.len() as u64)
    );
    let _ = writeln!(out, "bytes    {}", bytes(root.body_len));
    for (name, len) in sections(root) {
        let share = 100.0 * len as f64 / root.body_len.max(1) as f64;
        let _ = writeln!(out, "         {name:<12} {:>12} {share:5.1} %", bytes(len));
    }
    if let Some(questions) = figure(root, "eval_questions") {
        let of = |mode| Some((mode, figure(root, &format!("eval_ndcg10_{mode}"))?));
        let modes = ["keyword", "vector", "hybrid"].into_iter().filter_map(of);
        let modes: Vec<String> = modes
            .map(|(mode, ndcg)| format!("{mode} {ndcg:.4}"))
            .collect();
        let _ = writeln!(
            out,
            "nDCG@10 over {questions} judged questions: {}",
            modes.join(", ")
        );
    }
    if let Some(cold) = ColdCost::of(root) {
        let _ = writeln!(
            out,
            "a cold query reads about {} ({} at most) in {} round trips, {:.0} reads",
            bytes(cold.mean_bytes),
            bytes(cold.max_bytes),
            cold.waves,
            cold.requests
        );
    }
    out
}
