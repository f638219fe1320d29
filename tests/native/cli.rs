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
    world.json(&[
        "build",
        "records.jsonl",
        "--out",
        "index",
        "--embedder",
        "provided",
    ]);
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
    world.json(&[
        "build",
        "records.jsonl",
        "--out",
        "index",
        "--embedder",
        "provided",
    ]);
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
    world.json(&[
        "build",
        "records.jsonl",
        "--out",
        "index",
        "--embedder",
        "provided",
    ]);
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

#[test]
fn usage_mistakes_end_with_2_and_name_the_flag() {
    let world = indexed();
    for (args, words) in [
        (&["search", "index"][..], &["QUERY"][..]),
        (&["search", "index", "x", "--limit", "0"], &["--limit"]),
        (&["search", "index", "x", "--filter", "{"], &["--filter"]),
        (
            &["search", "index", "x", "--filter", r#"{"nofield": 1}"#],
            &["nofield", "year"],
        ),
        (
            &["search", "index", "x", "--facet", "nofield"],
            &["nofield"],
        ),
        (
            &["search", "index", "x", "--mode", "vector"],
            &["no embeddings"],
        ),
        (&["search", "index", "x", "--alpha", "2"], &["--alpha"]),
        (&["build", "docs"], &["--out"]),
        (
            &["build", "docs", "--out", "o", "--language", "xx"],
            &["--language", "xx"],
        ),
        (
            &["build", "docs", "--out", "o", "--embedder", "endpoint"],
            &["--endpoint-url"],
        ),
        (
            &["build", "docs", "--out", "o", "--embedder", "provided"],
            &["--embedder", "embedding"],
        ),
        (&["fly"], &["fly"]),
    ] {
        world.run(args).fails(2, words);
    }
    assert!(!world.path("o").exists());
}

#[test]
fn damaged_indexes_end_with_4_and_name_the_file() {
    let world = indexed();
    let name = body(&world.path("index"));
    let path = world.path("index").join(&name);
    let good = fs::read(&path).expect("body");
    let searched_and_verified = |words: &[&str]| {
        world.run(&["verify", "index"]).fails(4, words);
        world
            .run(&["search", "index", "harbours", "--facet", "lang"])
            .fails(4, words);
    };
    fs::write(&path, &good[..good.len() / 2]).expect("written");
    searched_and_verified(&[&name]);
    fs::write(&path, &good[..0]).expect("written");
    searched_and_verified(&[&name]);
    for at in (0..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).expect("written");
        world.run(&["verify", "index"]).fails(4, &[&name]);
    }
    fs::write(&path, &good).expect("written");
    let root_path = world.path("index/root.cora");
    let root = fs::read(&root_path).expect("root");
    for at in (0..root.len()).step_by(31) {
        let mut bytes = root.clone();
        bytes[at] ^= 0x20;
        fs::write(&root_path, bytes).expect("written");
        searched_and_verified(&["root"]);
        world.run(&["inspect", "index"]).fails(4, &["root"]);
    }
    fs::write(&root_path, &root[..root.len() / 2]).expect("written");
    searched_and_verified(&["root"]);
    // A root of another build, with this body under the name it looks for.
    world.write("other/page.md", "# Other\n\nHarbours of another build.\n");
    world.json(&[&["build", "other", "--out", "else"][..], &KEYWORD].concat());
    let other = body(&world.path("else"));
    fs::copy(world.path("else/root.cora"), &root_path).expect("copied");
    world
        .run(&["search", "index", "harbours"])
        .fails(5, &[&other, "not found", "open it again"]);
    fs::copy(&path, world.path("index").join(&other)).expect("copied");
    world
        .run(&["search", "index", "harbours"])
        .fails(4, &[&other]);
    world.run(&["verify", "index"]).fails(4, &[&other]);
    world.write("index/root.cora", "<!doctype html>");
    searched_and_verified(&["root.cora"]);
}

#[test]
fn missing_indexes_end_with_5_and_bundles_are_told_apart() {
    let world = indexed();
    for command in ["inspect", "verify"] {
        world
            .run(&[command, "nowhere"])
            .fails(5, &["nowhere", "not found"]);
        world
            .run(&[command, "docs"])
            .fails(5, &["docs", "not found"]);
    }
    world
        .run(&["search", "nowhere", "x"])
        .fails(5, &["nowhere", "not found"]);
    world
        .run(&["search", "docs/boats.md", "x"])
        .fails(4, &["docs/boats.md"]);
    let unreachable = world.run(&["search", "http://127.0.0.1:9/index", "x"]);
    unreachable.fails(5, &["root.cora"]);
    let json = world.run(&["search", "nowhere", "x", "--json"]);
    let error: Value = serde_json::from_str(&json.err).expect("JSON");
    assert_eq!((json.code, &error["error"]["code"]), (Some(5), &json!(5)));
}

/// Builds from `input` in place of the index; a mistake in one record is told and left out, with
/// `--strict` it ends the build with 3.
#[track_caller]
fn bad_record(world: &World, input: &str, words: &[&str], args: &[&str]) {
    let before = files(&world.path("index"));
    let build = [&["build", input, "--out", "index", "--strict"], args].concat();
    world.run(&build).fails(3, words);
    assert_untouched(world, &before);
    let build = [&["build", input, "--out", "lenient"], args].concat();
    let summary = world.json(&build);
    let told = summary["quarantined"].to_string();
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
    world.json(&["verify", "lenient"]);
}

#[test]
fn bad_vectors_are_named_by_line_and_field() {
    let world = indexed();
    let provided = ["--embedder", "provided"];
    let good = records(6);
    let mut wrong = good.clone();
    wrong[2]["embedding"] = json!([1.0, 2.0, 3.0]);
    world.write("dimension.jsonl", lines(&wrong));
    bad_record(
        &world,
        "dimension.jsonl",
        &["dimension.jsonl:3", "3 components", "4"],
        &provided,
    );
    for word in ["NaN", "Infinity", "-Infinity", "1e39"] {
        let given = format!(",{word},");
        let bad = lines(&good)
            .replacen(",0.5,", &given, 4)
            .replacen(&given, ",0.5,", 3);
        world.write("finite.jsonl", bad);
        bad_record(
            &world,
            "finite.jsonl",
            &["finite.jsonl:4", "component 2", "finite"],
            &provided,
        );
    }
    // Without a vector, or with zeros, there is no telling where the record belongs.
    let before = files(&world.path("index"));
    let mut missing = good.clone();
    missing[4]
        .as_object_mut()
        .expect("record")
        .remove("embedding");
    world.write("missing.jsonl", lines(&missing));
    let mut zero = good;
    zero[4]["embedding"] = json!([0, 0, 0, 0]);
    world.write("zero.jsonl", lines(&zero));
    for input in ["missing.jsonl", "zero.jsonl"] {
        let build = [&["build", input, "--out", "index"][..], &provided].concat();
        world.run(&build).fails(3, &["r4", "embedding"]);
        assert_untouched(&world, &before);
    }
}

#[test]
fn bad_text_is_named_by_file_and_place() {
    let world = indexed();
    world.write("latin/good.md", "# Good\n\nText.\n");
    world.write("latin/bad.md", b"# Caf\xe9\n\nText.\n");
    bad_record(&world, "latin", &["bad.md", "UTF-8", "byte 5"], &KEYWORD);
    world.write(
        "records.jsonl",
        [
            &lines(&records(2)).into_bytes()[..],
            b"{\"id\":\"x\",\"text\":\"\xff\"}\n",
        ]
        .concat(),
    );
    bad_record(
        &world,
        "records.jsonl",
        &["records.jsonl:3", "UTF-8"],
        &KEYWORD,
    );
    world.write(
        "records.jsonl",
        lines(&records(2)) + "{\"id\": \"x\", \"text\": \n",
    );
    bad_record(
        &world,
        "records.jsonl",
        &["records.jsonl:3", "JSON"],
        &KEYWORD,
    );
}

#[test]
fn inputs_without_documents_leave_the_previous_index() {
    let world = indexed();
    let before = files(&world.path("index"));
    fs::create_dir(world.path("empty")).expect("folder");
    world.write("image.png", b"\x89PNG");
    world.write("void/nothing.md", "");
    world.write("only/bad.md", b"\xff\xfe");
    for (input, code, words) in [
        ("empty", 3, &["empty", "supported are"][..]),
        ("missing", 5, &["missing", "check the path"]),
        ("image.png", 3, &["image.png", "supported are"]),
        ("void", 3, &["nothing.md", "no text"]),
        ("only", 3, &["bad.md", "UTF-8"]),
    ] {
        for out in ["index", "new"] {
            world
                .run(&[&["build", input, "--out", out][..], &KEYWORD].concat())
                .fails(code, words);
        }
        assert!(!world.path("new").exists(), "{input}");
    }
    assert_untouched(&world, &before);
}

#[test]
fn line_of_100_megabytes_is_left_out_in_little_memory() {
    let world = indexed();
    let mut long = lines(&records(3)).into_bytes();
    long.extend_from_slice(br#"{"id": "long", "text": ""#);
    long.resize(100_000_000, b'a');
    world.write("long/page.txt", &long);
    long.extend_from_slice(b"\"}\n");
    long.extend_from_slice(lines(&records(4)[3..]).as_bytes());
    world.write("long/records.jsonl", &long);
    drop(long);
    let started = Instant::now();
    let summary = world.json(&[&["build", "long", "--out", "lenient"][..], &KEYWORD].concat());
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(summary["documents"], 4, "{summary}");
    let told = summary["quarantined"].to_string();
    assert!(
        told.contains("records.jsonl:4") && told.contains("longer than"),
        "{told}"
    );
    assert!(
        told.contains("page.txt") && told.contains("100000000 bytes"),
        "{told}"
    );
    let peak = summary["peak_memory_bytes"].as_u64();
    assert!(peak.is_none_or(|bytes| bytes < 300_000_000), "{peak:?}");
    let before = files(&world.path("index"));
    let strict = [
        &["build", "long", "--out", "index", "--strict"][..],
        &KEYWORD,
    ]
    .concat();
    world
        .run(&strict)
        .fails(3, &["records.jsonl:4", "page.txt"]);
    assert_untouched(&world, &before);
}

#[test]
fn out_that_is_no_folder_is_named() {
    let world = indexed();
    world.write("file", "precious");
    let build = |args: &[&str]| world.run(&[&["build", "docs"], args, &KEYWORD].concat());
    build(&["--out", "file"]).fails(5, &["file", "nothing was published"]);
    build(&["--out", "file/below"]).fails(5, &["file", "nothing was published"]);
    build(&["--out", "docs", "--layout", "bundle"]).fails(5, &["docs", "nothing was published"]);
    assert_eq!(fs::read(world.path("file")).expect("file"), b"precious");
    assert_eq!(
        names(&world.path("docs")),
        ["boats.md", "fluss.html", "harbours"]
    );
    assert_eq!(names(&world.path("")), ["docs", "file", "index"]);
}

/// Runs `args` as a user who owns nothing, where the system lets us.
fn as_nobody(world: &World, args: &[&str]) -> Option<Ended> {
    let binary = world.path("coracle");
    if !binary.exists() {
        // The build folder may not be open to everybody.
        fs::copy(env!("CARGO_BIN_EXE_coracle"), &binary).expect("copied");
        fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).expect("opened");
    }
    let run = |command: &mut Command| command.args(args).output().ok().map(Ended::of);
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        return run(&mut world.prepared(&binary));
    }
    let mut nobody = world.prepared("setpriv");
    nobody
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(&binary);
    let probe = Ended::of(
        world
            .prepared("setpriv")
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "--",
            ])
            .arg(&binary)
            .arg("--version")
            .output()
            .ok()?,
    );
    (probe.code == Some(0)).then(|| run(&mut nobody))?
}

#[test]
fn denied_inputs_and_outputs_end_with_5() {
    let world = indexed();
    let before = files(&world.path("index"));
    fs::set_permissions(world.path("docs/boats.md"), Permissions::from_mode(0o000))
        .expect("closed");
    let build = |input: &str, out: &str| {
        as_nobody(
            &world,
            &[&["build", input, "--out", out][..], &KEYWORD].concat(),
        )
    };
    let Some(input) = build("docs", "index") else {
        eprintln!("skipped: cannot become another user here");
        return;
    };
    input.fails(5, &["boats.md", "ermission denied", "--exclude"]);
    fs::set_permissions(world.path("docs/boats.md"), Permissions::from_mode(0o644)).expect("open");
    fs::set_permissions(world.path("index"), Permissions::from_mode(0o555)).expect("closed");
    let out = build("docs", "index").expect("started");
    out.fails(5, &["index", "ermission denied", "--out"]);
    fs::set_permissions(world.path("index"), Permissions::from_mode(0o755)).expect("open");
    fs::set_permissions(world.path("index/root.cora"), Permissions::from_mode(0o000))
        .expect("closed");
    let search = as_nobody(&world, &["search", "index", "harbours"]).expect("started");
    search.fails(5, &["root.cora", "permission denied"]);
    fs::set_permissions(world.path("index/root.cora"), Permissions::from_mode(0o644))
        .expect("open");
    assert_untouched(&world, &before);
}

/// Many pages with enough text for an index of some hundred kilobytes.
fn many(world: &World, count: usize) {
    let mut random = fastrand::Rng::with_seed(5);
    let mut records = String::new();
    for at in 0..count {
        let text: Vec<String> = (0..60)
            .map(|_| format!("w{}", random.u32(..30_000)))
            .collect();
        records += &format!(
            "{}\n",
            json!({"id": at, "title": at.to_string(), "text": text.join(" ")})
        );
    }
    world.write("many.jsonl", records);
}

#[test]
fn full_disk_leaves_the_previous_index() {
    let world = indexed();
    let before = files(&world.path("index"));
    many(&world, 2000);
    // A limit on the size of files stands for a disk that is full: both are met in the middle of a
    // write. The shell ignores the signal that would come with it, and so does its child.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    for (out, layout) in [("index", "range"), ("new", "range"), ("new.cora", "bundle")] {
        let mut limited = world.prepared("sh");
        limited.args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_coracle"),
            "build",
            "many.jsonl",
            "--out",
            out,
        ]);
        limited.args(["--layout", layout, "--quiet"]).args(KEYWORD);
        let ended = Ended::of(limited.output().expect("started"));
        ended.fails(5, &["part-0", "nothing was published", "free some space"]);
    }
    assert!(!world.path("new").exists() && !world.path("new.cora").exists());
    assert_eq!(names(&world.path("")), ["docs", "index", "many.jsonl"]);
    assert_untouched(&world, &before);
    full_file_system(&world);
}

/// The same with a file system that really is full, where this process may mount one.
fn full_file_system(world: &World) {
    fs::create_dir(world.path("small")).expect("folder");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(world.path("small"))
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: cannot mount a small file system here");
        return;
    }
    let build = |input: &str| {
        world.run(&[&["build", input, "--out", "small/index"][..], &KEYWORD].concat())
    };
    let first = build("docs");
    let before = files(&world.path("small/index"));
    let second = build("many.jsonl");
    let after = files(&world.path("small/index"));
    let found = world.run(&["search", "small/index", "harbours"]);
    let unmounted = Command::new("umount").arg(world.path("small")).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(
        (first.code, found.code),
        (Some(0), Some(0)),
        "{first:?} {found:?}"
    );
    second.fails(5, &["part-0", "nothing was published", "free some space"]);
    assert_eq!(before, after);
}

#[test]
fn killed_build_leaves_the_previous_index_and_the_next_build_cleans_up() {
    let world = indexed();
    let before = files(&world.path("index"));
    many(&world, 8000);
    let args = [
        &["build", "many.jsonl", "--out", "index", "--quiet"][..],
        &KEYWORD,
    ]
    .concat();
    let mut child = world.command(&args).spawn().expect("started");
    let staging = world.path("index").join(format!(".coracle-{}", child.id()));
    let started = Instant::now();
    while !staging.join("part-0").exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no staging folder came"
        );
        assert!(
            child.try_wait().expect("child").is_none(),
            "the build was faster than we"
        );
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    assert!(
        child.wait().expect("ended").code().is_none(),
        "the build was faster than we"
    );
    assert!(staging.exists(), "the process could not clean up");
    let found = world.json(&["search", "index", "harbours"]);
    assert_eq!(found["hits"][0]["id"], "harbours/index.md");
    world.json(&["verify", "index"]);
    // A build that is still running keeps its folder, and other folders are none of our business.
    let running = world.path("index/.coracle-1");
    fs::create_dir(&running).expect("folder");
    let lock = File::open(&running).expect("opened");
    lock.lock().expect("locked");
    fs::create_dir(world.path("index/.coracle-notes")).expect("folder");
    world.write(
        "index/0123456789abcdef.cora",
        "body of a build that was killed before its root",
    );
    world.json(&[&["build", "docs", "--out", "index"][..], &KEYWORD].concat());
    let mut expected: Vec<&str> = before.keys().map(String::as_str).collect();
    expected.extend([".coracle-1", ".coracle-notes"]);
    expected.sort_unstable();
    assert_eq!(names(&world.path("index")), expected);
    drop(lock);
    world.json(&[&["build", "docs", "--out", "index"][..], &KEYWORD].concat());
    assert!(!running.exists());
    fs::remove_dir(world.path("index/.coracle-notes")).expect("removed");
    assert_untouched(&world, &before);
}

#[test]
fn broken_pipe_is_no_failure() {
    let world = indexed();
    let mut search = world.command(&["completions", "bash"]);
    let mut child = search
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("ended");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
