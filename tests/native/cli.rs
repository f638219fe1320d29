//! The `coracle` command from outside: what it does, and how it ends when the world is hostile.
//!
//! Every failure must name the file and what is wrong with it, end with its documented code, leave
//! the previous index as it was, and leave nothing half-written behind.

// A test that cannot make its hostile world says so.
#![allow(clippy::print_stderr)]

#[path = "embed/double.rs"]
#[allow(dead_code)]
mod double;
#[path = "../support/mod.rs"]
mod support;

#[path = "cli/failures.rs"]
mod failures;

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle_cli::source::Location;
use serde_json::Value;
use serde_json::json;
use support::process::Ended;
use support::process::World;
use support::process::names;

/// Three pages about boats.
fn pages(world: &World) {
    world.write(
        "docs/boats.md",
        "---\ntitle: Boats\nlang: en\nyear: 2020\n---\n# Boats\n\nA coracle is a small round boat.\n",
    );
    world.write(
        "docs/harbours/index.md",
        "---\nlang: en\nyear: 2022\n---\n# Harbours\n\nShips lie in harbours.\n",
    );
    world.write(
        "docs/fluss.html",
        "<html><head><title>Rivers</title></head><body><h1>Rivers</h1><p>A ferry crosses the river.</p></body></html>",
    );
}

/// Records with vectors of four components, one JSON object a line.
fn records(count: usize) -> Vec<Value> {
    let record = |at: usize| {
        let angle = at as f64;
        json!({
            "id": format!("r{at}"), "title": format!("Record {at}"),
            "text": format!("{} and {} in record {at}",
                support::WORDS[at % 36], support::WORDS[at * 7 % 36]),
            "embedding": [angle.sin(), angle.cos(), 0.5, (angle * 0.3).sin()],
            "shelf": at % 3,
        })
    };
    (0..count).map(record).collect()
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

const KEYWORD: [&str; 2] = ["--embedder", "none"];

/// A folder with `index`, built from pages.
fn indexed() -> World {
    let world = World::new();
    pages(&world);
    let summary = world.json(&[&["build", "docs", "--out", "index"][..], &KEYWORD].concat());
    assert_eq!(summary["documents"], 3, "{summary}");
    world
}

/// Builds `index` out of `records.jsonl` and the vectors in it.
fn build_records(world: &World) {
    let build = ["build", "records.jsonl", "--out", "index"];
    world.json(&[&build[..], &["--embedder", "provided"]].concat());
}

/// The previous index is byte for byte as it was, nothing lies beside it, and it still answers.
#[track_caller]
fn assert_untouched(world: &World, before: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(&files(&world.path("index")), before);
    let found = world.json(&["search", "index", "harbours"]);
    assert_eq!(found["hits"][0]["id"], "harbours/index.md", "{found}");
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    support::files(folder)
}

fn body(folder: &Path) -> String {
    let mut names = names(folder);
    names.retain(|name| name.ends_with(".cora") && name != "root.cora");
    assert_eq!(names.len(), 1, "{names:?}");
    names.remove(0)
}

#[test]
fn keyword_index_is_built_searched_inspected_and_verified() {
    let world = indexed();
    let text = world.run(&["search", "index", "round boat"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(
        text.out.contains("Boats") && text.out.contains("coracle"),
        "{}",
        text.out
    );
    let found = world.json(&["search", "index", "ferry crossing", "--facet", "lang"]);
    assert_eq!(
        (&found["mode"], &found["total"]),
        (&json!("keyword"), &json!(1))
    );
    assert_eq!(found["hits"][0]["title"], "Rivers");
    let filtered = world.json(&[
        "search",
        "index",
        "boats ships",
        "--filter",
        r#"{"year": {"gt": 2021}}"#,
    ]);
    assert_eq!(filtered["hits"][0]["id"], "harbours/index.md");
    assert_eq!(filtered["hits"].as_array().map(Vec::len), Some(1));
    let nothing = world.run(&["search", "index", "zzzzzzzz"]);
    assert_eq!((nothing.code, nothing.err.as_str()), (Some(1), ""));
    let root = world.json(&["inspect", "index"]);
    assert_eq!(
        (&root["documents"], &root["vectors"]),
        (&json!(3), &Value::Null)
    );
    assert!(
        world
            .run(&["inspect", "index"])
            .out
            .contains("keyword search only")
    );
    let verified = world.json(&["verify", "index"]);
    assert!(verified["blocks"].as_u64() > Some(5), "{verified}");
    assert_eq!(names(&world.path("index")).len(), 2);
}

#[test]
fn sections_and_similar_words_are_shown() {
    let world = World::new();
    world.write(
        "docs/ferry.md",
        "# Crossing\n\n## Timetable\n\nThe ferry leaves at eight. Every ferry takes an hour.\n\n\
         ## Fares\n\nA ticket for the ferry is sold on the ferry.\n\n## Lost property\n\nAsk at the pier.\n",
    );
    let whole = ["build", "docs", "--out", "index", "--chunk-min-tokens", "0"];
    world.json(&[&whole[..], &KEYWORD].concat());
    let plain = world.json(&["search", "index", "ferry"]);
    assert!(plain["hits"][0].get("sections").is_none(), "{plain}");
    let found = world.json(&["search", "index", "ferry", "--sections", "3"]);
    let anchors = |hit: &Value| {
        let sections = hit["sections"].as_array().expect("sections").iter();
        let anchors = sections.map(|section| section["anchor"].as_str().expect("text").to_owned());
        anchors.collect::<Vec<_>>()
    };
    let hit = &found["hits"][0];
    let mut all = anchors(hit);
    all.push(hit["anchor"].as_str().expect("text").to_owned());
    all.sort();
    assert_eq!(all[all.len() - 2..], ["fares", "timetable"], "{found}");
    assert!(!all.contains(&"lost-property".to_owned()), "{found}");
    let text = world.run(&["search", "index", "ferry", "--sections", "3"]);
    assert!(
        text.out.contains("    › Fares") || text.out.contains("    › Timetable"),
        "{}",
        text.out
    );
    let other = anchors(hit).remove(0);
    assert!(text.out.contains(&format!("#{other} ·")), "{}", text.out);
    let ended = world.run(&["search", "index", "ferry", "--sections", "6"]);
    ended.fails(2, &["--sections", "0..=5"]);

    // Two errors, one of them in the first letter, are no correction.
    let query = ["search", "index", "dimetabble"];
    let nothing = world.run(&[&query[..], &["--json"]].concat());
    let found: Value = serde_json::from_str(&nothing.out).expect("JSON");
    assert_eq!(found["suggestions"], json!(["timetable"]), "{nothing:?}");
    let text = world.run(&query);
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(
        text.out.contains("similar words here: timetable"),
        "{}",
        text.out
    );
}

#[test]
fn map_has_a_point_for_every_chunk_and_is_the_same_every_time() {
    let world = World::new();
    // Two heaps: of each record one of two directions, and a little of its own.
    let mut heaps = records(40);
    for (at, record) in heaps.iter_mut().enumerate() {
        let side = if at % 2 == 0 { 1.0 } else { -1.0 };
        record["embedding"] = json!([
            side,
            -side,
            0.1 * (at as f64).sin(),
            0.1 * (at as f64).cos()
        ]);
        record["title"] = json!(if at % 2 == 0 { "Even" } else { "Odd" });
        record["url"] = json!(format!("/records/{at}/"));
    }
    world.write("records.jsonl", &lines(&heaps));
    build_records(&world);
    let root = world.json(&["inspect", "index"]);
    let ended = world.run(&["inspect", "index", "--map", "map.json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let text = fs::read_to_string(world.path("map.json")).expect("a map");
    let map: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(map["build_id"], root["build_id"]);
    let column = |name: &str| {
        let column = map[name].as_array().expect("a column");
        let numbers = column.iter().map(|value| value.as_u64().expect("a number"));
        numbers.collect::<Vec<u64>>()
    };
    let (x, y, group, document) = (
        column("x"),
        column("y"),
        column("group"),
        column("document"),
    );
    assert_eq!(map["documents"].as_array().map(Vec::len), Some(40));
    assert_eq!((x.len(), y.len(), group.len()), (40, 40, 40));
    // Which heap a chunk lies in is what tells chunks apart most, so x says it, and so do groups.
    for (chunk, &document) in document.iter().enumerate() {
        let title = &map["documents"][document as usize][0];
        let left = x[chunk] < 500;
        assert_eq!(left, (title == "Even") == (x[0] < 500), "{text}");
        for (other, _) in group
            .iter()
            .enumerate()
            .filter(|&(_, &of)| of == group[chunk])
        {
            assert_eq!(left, x[other] < 500, "{text}");
        }
    }
    let ended = world.run(&["inspect", "index", "--map", "again.json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        fs::read_to_string(world.path("again.json")).ok(),
        Some(text)
    );

    let words = indexed();
    let ended = words.run(&["inspect", "index", "--map", "map.json"]);
    ended.fails(2, &["--map", "words only"]);
    assert!(!words.path("map.json").exists());
}

#[test]
fn index_is_judged_by_its_headings_and_by_files() {
    let world = indexed();
    let own = world.json(&["eval", "index"]);
    assert_eq!(
        (&own["source"], &own["questions"]),
        (&json!("headings"), &json!(3))
    );
    assert_eq!(own["modes"][0]["found5"], 1.0, "{own}");

    world.write("queries.tsv", "1\tround boat\n2\tferry\n3\tnobody judged\n");
    world.write(
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\n1\tboats.md\t1\n2\tboats.md\t1\n",
    );
    world.write("other.run", "2 Q0 boats.md 1 0.5 other\n");
    let files = ["eval", "index", "--queries", "queries.tsv"];
    let judged = [
        &files[..],
        &["--qrels", "qrels.tsv", "--run", "other=other.run"],
        &["--picture", "figures.svg"],
    ]
    .concat();
    let report = world.json(&judged);
    let of = |at: usize, figure: &str| report["modes"][at][figure].clone();
    assert_eq!(
        (of(0, "mode"), of(0, "ndcg10")),
        (json!("keyword"), json!(0.5))
    );
    assert_eq!(
        (of(1, "mode"), of(1, "recall100")),
        (json!("other"), json!(0.5))
    );
    assert_eq!(report["comparisons"][0]["p"], 1.0, "{report}");
    let svg = fs::read_to_string(world.path("figures.svg")).expect("a picture");
    assert!(svg.contains("keyword") && svg.contains("other"));
    let table = world.run(&judged);
    assert!(
        table.out.contains("2 questions from qrels"),
        "{}",
        table.out
    );

    let build = [
        "build",
        "docs",
        "--out",
        "judged",
        "--queries",
        "queries.tsv",
    ];
    world.json(&[&build[..], &KEYWORD, &["--qrels", "qrels.tsv"]].concat());
    let figures = &world.json(&["inspect", "judged"])["figures"];
    assert_eq!(
        (&figures["eval_questions"], &figures["eval_ndcg10_keyword"]),
        (&json!(2.0), &json!(0.5))
    );
    assert!(
        world
            .run(&["inspect", "judged"])
            .out
            .contains("2 judged questions: keyword 0.5000")
    );

    world.run(&files).fails(2, &["--qrels"]);
    world.write("qrels.tsv", "1\tboats.md\t1\n2\tboats.md\tgood\n");
    world.run(&judged).fails(3, &["qrels.tsv:2", "good"]);
    let missing = [&files[..], &["--qrels", "missing.tsv"]].concat();
    world.run(&missing).fails(5, &["missing.tsv"]);
}

#[test]
fn provided_vectors_make_a_hybrid_index_in_every_layout_with_every_access() {
    let world = World::new();
    world.write("records.jsonl", lines(&records(12)));
    let mut answers = Vec::new();
    for (out, layout, access) in [
        ("range", "range", "graph"),
        ("split", "split", "scan"),
        ("one.cora", "bundle", "cells"),
    ] {
        let args = [
            "build",
            "records.jsonl",
            "--out",
            out,
            "--layout",
            layout,
            "--embedder",
            "provided",
            "--vectors",
            access,
            "--recall",
            "0.9",
        ];
        let summary = world.json(&args);
        assert_eq!(summary["documents"], 12);
        assert_eq!(
            (&summary["recall"]["access"], &summary["recall"]["target"]),
            (&json!(access), &json!(0.9))
        );
        let root = world.json(&["inspect", out]);
        assert_eq!(
            (&root["vectors"]["dim"], &root["vectors"]["access"]),
            (&json!(4), &json!(access))
        );
        assert_eq!(root["figures"]["recall_target"], 0.9);
        assert_eq!(
            root["figures"]["recall_at_10"],
            summary["recall"]["measured"]
        );
        world.json(&["verify", out]);
        let mut found = world.json(&[
            "search",
            out,
            support::WORDS[7],
            "--filter",
            r#"{"shelf": [0, 1]}"#,
            "--explain",
        ]);
        assert_eq!(found["mode"], "hybrid");
        assert!(
            found["hits"][0]["explain"]["vector"]["score"].is_number(),
            "{found}"
        );
        found["stats"].take();
        answers.push(found);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn documents_in_order_of_topic_keep_their_texts_and_vectors() {
    let world = World::new();
    let mut random = fastrand::Rng::with_seed(5);
    // As many topics as there are shelves, and one after the other.
    let shelves: Vec<[f32; 16]> = (0..4)
        .map(|_| [(); 16].map(|()| random.f32() - 0.5))
        .collect();
    let mut vectors = Vec::new();
    let mut records = String::new();
    for at in 0..2600 {
        let vector = shelves[at % 4].map(|x| x + 0.4 * (random.f32() - 0.5));
        let text = format!("Page {at} stands on shelf {}.", at % 4);
        let record = json!({"id": format!("p{at}"), "text": text, "embedding": vector});
        records += &format!("{record}\n");
        vectors.push(vector);
    }
    world.write("records.jsonl", records);
    build_records(&world);
    let location = Location::open(world.path("index").to_str().expect("UTF-8")).expect("an index");
    let engine = support::open(location).expect("opened");
    for at in (0..2600).step_by(97) {
        let by_meaning = SearchOptions {
            mode: Mode::Vector,
            embedding: Some(vectors[at].to_vec()),
            ..SearchOptions::default()
        };
        let found = support::search(&engine, "", &by_meaning).expect("found");
        let id = format!("p{at}");
        assert!(found.hits.iter().any(|hit| hit.id == id), "{id}");
        let found =
            support::search(&engine, &at.to_string(), &SearchOptions::default()).expect("found");
        assert_eq!(found.hits[0].id, id);
    }
    // In the input each stands on another shelf than the one before.
    let of = |chunk| {
        pollster::block_on(engine.passage(chunk))
            .expect("a passage")
            .0
            .text
    };
    let shelves: Vec<String> = (0..2600)
        .map(|chunk| {
            of(chunk)
                .split("shelf")
                .nth(1)
                .expect("its shelf")
                .to_owned()
        })
        .collect();
    let changes = shelves.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(changes < 20, "{changes}");
}

#[test]
fn endpoint_embeds_the_build_and_queries_need_it_no_more() {
    let double = double::Double::new(|_, _| double::Reply::Embed);
    let world = World::new();
    pages(&world);
    let build = |url: &str, out: &str| {
        world.run(&[
            "build",
            "docs",
            "--out",
            out,
            "--embedder",
            "endpoint",
            "--endpoint-url",
            url,
            "--endpoint-model",
            "m",
            "--no-cache",
            "--quiet",
        ])
    };
    let built = build(&double.url, "index");
    assert_eq!(built.code, Some(0), "{built:?}");
    let charged = double.charged();
    assert!(charged >= 3, "{charged}");
    let found = world.json(&["search", "index", "round boat", "--mode", "vector"]);
    assert_eq!(found["mode"], "vector");
    assert!(!found["hits"].as_array().expect("hits").is_empty());
    assert_eq!(double.charged(), charged, "a query asked the endpoint");
    let before = files(&world.path("index"));
    let refused = double::Double::new(|_, _| {
        double::Reply::Status(
            401,
            String::new(),
            r#"{"error": {"message": "bad key"}}"#.into(),
        )
    });
    build(&refused.url, "index").fails(6, &["401"]);
    build(&refused.url, "new").fails(6, &["401"]);
    assert_eq!(files(&world.path("index")), before);
    assert!(!world.path("new").exists());
}

#[test]
fn completions_are_printed_for_every_shell() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
        assert!(
            script.out.contains("coracle") && script.out.contains("build"),
            "{shell}"
        );
    }
}

#[test]
fn flag_comes_before_environment_before_file() {
    let world = World::new();
    world.write("records.jsonl", lines(&records(12)));
    world.write(
        "coracle.toml",
        "[build]\nembedder = 'none'\n[search]\nlimit = 2\nmode = 'keyword'\n",
    );
    build_records(&world);
    let count = |command: &mut Command| {
        let ended = Ended::of(command.output().expect("started"));
        let found: Value = serde_json::from_str(&ended.out).expect("JSON");
        found["hits"].as_array().map(Vec::len)
    };
    let search = ["search", "index", "record", "--json"];
    assert_eq!(count(&mut world.command(&search)), Some(2));
    assert_eq!(
        count(world.command(&search).env("CORACLE_LIMIT", "3")),
        Some(3)
    );
    let flag = [&search[..], &["--limit", "4"]].concat();
    assert_eq!(
        count(world.command(&flag).env("CORACLE_LIMIT", "3")),
        Some(4)
    );
    world.write("coracle.toml", "[search]\nlimt = 2\n");
    world
        .run(&["search", "index", "record"])
        .fails(2, &["coracle.toml:2", "search.limt", "search.limit"]);
}
