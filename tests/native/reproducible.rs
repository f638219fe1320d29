//! The same input gives the same bytes, whatever the number of threads.

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::json;
use support::process::World;

/// Builds `input` with one thread and with two; the files must be equal, name by name. Each build
/// gets a copy of `cache`.
fn assert_reproducible(world: &World, input: &str, args: &[&str], cache: &Path) {
    let build = |threads: &str, out: &str| {
        let copy = world.path(&format!("cache-{threads}"));
        fs::create_dir(&copy).expect("folder");
        for (name, bytes) in support::files(cache) {
            fs::write(copy.join(name), bytes).expect("copied");
        }
        let copy = copy.to_str().expect("path");
        let common = [
            "build",
            input,
            "--out",
            out,
            "--threads",
            threads,
            "--cache",
            copy,
        ];
        world.json(&[&common[..], args].concat());
        support::files(&world.path(out))
    };
    let (one, two) = (build("1", "one"), build("2", "two"));
    assert!(one.len() >= 2, "{:?}", one.keys());
    assert!(
        one.keys().eq(two.keys()),
        "{:?} and {:?}",
        one.keys(),
        two.keys()
    );
    for (name, bytes) in &one {
        assert!(*bytes == two[name], "{name} differs");
    }
}

/// An empty folder: nothing is remembered.
fn nothing(world: &World) -> PathBuf {
    let folder = world.path("nothing");
    fs::create_dir(&folder).expect("folder");
    folder
}

fn records(world: &World, count: usize) {
    let mut lines = String::new();
    for (document, at) in support::documents(count, 11).iter().zip(0..) {
        let text: Vec<&str> = document
            .chunks
            .iter()
            .map(|chunk| chunk.text.as_str())
            .collect();
        let vector: Vec<f64> = (0..24).map(|d| f64::from(at * 31 + d * 17).sin()).collect();
        let record = json!({
            "id": document.id, "title": document.title, "text": text.join("\n\n"),
            "embedding": vector, "shelf": at % 4, "even": at % 2 == 0,
        });
        lines += &format!("{record}\n");
    }
    world.write("records.jsonl", lines);
}

#[test]
fn keyword_builds_are_identical() {
    let world = World::new();
    records(&world, 600);
    assert_reproducible(
        &world,
        "records.jsonl",
        &["--embedder", "none"],
        &nothing(&world),
    );
}

#[test]
fn builds_with_provided_vectors_are_identical_in_a_graph_and_in_cells() {
    // The larger one is put in order of topic as well.
    for (access, count) in [("graph", 600), ("cells", 3000)] {
        let world = World::new();
        records(&world, count);
        let args = [
            "--embedder",
            "provided",
            "--vectors",
            access,
            "--layout",
            "split",
        ];
        assert_reproducible(&world, "records.jsonl", &args, &nothing(&world));
    }
}

#[test]
fn builds_with_the_default_model_are_identical() {
    let world = World::new();
    for (at, text) in [
        "Boats carry people and goods over water.",
        "A harbour shelters ships from storms.",
        "Rivers flow to the sea. Their mouths are called estuaries.",
        "The lighthouse warns of rocks at night.",
        "Knots hold ropes; a bowline does not slip.",
    ]
    .iter()
    .enumerate()
    {
        world.write(
            &format!("docs/page-{at}.md"),
            format!("# Page {at}\n\n{text}\n"),
        );
    }
    // Thousands of general words are embedded with every index: once is enough, so another corpus
    // fills the cache first and leaves the documents to the builds compared.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model-cache");
    world.write("other/page.md", "# Other\n\nAn unrelated page.\n");
    let cache_name = cache.to_str().expect("path");
    world.json(&["build", "other", "--out", "warm", "--cache", cache_name]);
    assert_reproducible(&world, "docs", &[], &cache);
}
