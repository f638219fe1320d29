//! How the command ends when its input, its machine or its user is no good.

use super::*;

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
    let nobody = || {
        let mut command = world.prepared("setpriv");
        let ids = [
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ];
        command.args(ids).arg(&binary);
        command
    };
    let probe = Ended::of(nobody().arg("--version").output().ok()?);
    (probe.code == Some(0)).then(|| run(&mut nobody()))?
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
