//! `coracle deploy`: what is served is whole at every moment, whoever is killed.

#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use process::World;
use process::names;
use sha2::Digest;
use sha2::Sha256;

const SECRET: &str = "wJalrXUtnFEMI-secret";

/// A folder with `index`, of many small files, in which pages speak of `word`.
fn build(world: &World, word: &str) {
    for page in 0..40 {
        let text = format!("# Page {page}\n\nHere the {word} number {page} lies in its harbour.\n");
        world.write(&format!("docs/p{page}.md"), text);
    }
    let layout = ["--layout", "split", "--part-bytes", "40"];
    let args = ["build", "docs", "--out", "index", "--embedder", "none"];
    world.json(&[&args[..], &layout].concat());
}

/// Whether the index at `place` is whole and finds pages that speak of `word`.
#[track_caller]
fn serves(world: &World, place: &str, word: &str) {
    let verified = world.run(&["verify", place, "--quiet"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let found = world.json(&["search", place, word]);
    assert!(found["total"].as_u64() > Some(0), "{found}");
    let excerpt = found["hits"][0]["excerpt"]["text"].to_string();
    assert!(excerpt.contains(word), "{excerpt}");
}

#[test]
fn folder_gets_what_it_lacks_and_keeps_old_builds() {
    let world = World::new();
    build(&world, "coracle");
    let dry = world.json(&["deploy", "index", "--to", "site/search", "--dry-run"]);
    let count = names(&world.path("index")).len() - 1;
    assert!(count > 20, "{count} files");
    assert_eq!(dry["sent"], count, "{dry}");
    assert!(!world.path("site").exists(), "a dry run wrote something");
    let first = world.json(&["deploy", "index", "--to", "site/search"]);
    assert_eq!(
        (&first["sent"], &first["there"]),
        (&count.into(), &0.into())
    );
    serves(&world, "site/search", "coracle");
    let again = world.json(&["deploy", "index", "--to", "site/search"]);
    assert_eq!(
        (&again["sent"], &again["there"]),
        (&0.into(), &count.into())
    );
    let old = names(&world.path("site/search"));
    build(&world, "kayak");
    world.json(&["deploy", "index", "--to", "site/search"]);
    serves(&world, "site/search", "kayak");
    let new = names(&world.path("site/search"));
    assert!(
        old.iter().all(|name| new.contains(name)),
        "an old file is gone"
    );
    assert!(
        new.iter().all(|name| !name.contains("unfinished")),
        "{new:?}"
    );
}

#[test]
fn damaged_file_leaves_the_old_build() {
    let world = World::new();
    build(&world, "coracle");
    world.json(&["deploy", "index", "--to", "site"]);
    build(&world, "kayak");
    let there = names(&world.path("site"));
    let new = names(&world.path("index"));
    let damaged = new
        .iter()
        .rfind(|name| !there.contains(name))
        .expect("a new file");
    world.write(&format!("index/{damaged}"), "something else");
    world
        .run(&["deploy", "index", "--to", "site"])
        .fails(4, &[damaged]);
    serves(&world, "site", "coracle");
    world.write("bundle", "x");
    world
        .run(&["deploy", "bundle", "--to", "site"])
        .fails(2, &["bundle"]);
    world
        .run(&["deploy", "nowhere", "--to", "site"])
        .fails(5, &["nowhere"]);
}

#[test]
fn kill_leaves_the_old_build_in_a_folder() {
    let world = World::new();
    build(&world, "coracle");
    world.json(&["deploy", "index", "--to", "site"]);
    let old = names(&world.path("site")).len();
    build(&world, "kayak");
    let new = names(&world.path("index")).len() - 1;
    let mut command = world.command(&["deploy", "index", "--to", "site", "--quiet"]);
    let mut child = command.spawn().expect("started");
    let begin = Instant::now();
    // In the middle: some of the new files are there.
    while names(&world.path("site")).len() < old + 3 && begin.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_micros(200));
    }
    let _ = child.kill();
    let was_killed = child.wait().expect("ended").code().is_none();
    let there = names(&world.path("site")).len() - old;
    assert!(there >= 3, "{there}");
    if was_killed && there < new {
        serves(&world, "site", "coracle");
    }
    let rest = world.json(&["deploy", "index", "--to", "site"]);
    assert!(rest["there"].as_u64() >= Some(2), "{rest}");
    serves(&world, "site", "kayak");
}

/// A store that speaks as much of S3 as a deployment needs, and checks what it is told.
struct Store {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<BTreeMap<String, (Vec<u8>, String)>>,
    order: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    /// Time that a PUT takes.
    pause: Mutex<Duration>,
    /// PUTs that are refused first.
    busy: Mutex<u32>,
    denies: bool,
}

impl Store {
    fn new(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(shared);
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = server.clone();
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { url, shared }
    }

    /// Deploys to it.
    fn command(&self, world: &World) -> Command {
        let to = "s3://docs/v1/search";
        let args = [
            "deploy",
            "index",
            "--to",
            to,
            "--endpoint",
            &self.url,
            "--json",
        ];
        let mut command = world.command(&args);
        command
            .env("AWS_ACCESS_KEY_ID", "AKIA7")
            .env("AWS_SECRET_ACCESS_KEY", SECRET);
        command
    }

    /// Writes what it holds into a folder.
    fn download(&self, world: &World, folder: &str) {
        let _ = fs::remove_dir_all(world.path(folder));
        for (name, (bytes, _)) in &*self.shared.objects.lock().expect("unpoisoned") {
            let name = name
                .strip_prefix("/docs/v1/search/")
                .expect("under the prefix");
            world.write(&format!("{folder}/{name}"), bytes);
        }
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length").map_or(Some(0), |text| text.parse().ok())?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (method, rest) = head.split_once(' ')?;
        let (path, query) = rest.split_once(' ')?.0.split_once('?')?;
        let is_signed = query.contains("X-Amz-Signature=")
            && query.contains("X-Amz-Credential=AKIA7%2F")
            && query.contains("%2Fauto%2Fs3%2Faws4_request");
        let wrong = |why: &str| {
            let mut wrong = shared.wrong.lock().expect("unpoisoned");
            wrong.push(format!("{why}: {head}"));
        };
        if !is_signed {
            wrong("not signed");
        }
        let mut answer = |status: u16, headers: &str, body: &str| {
            let text = format!("HTTP/1.1 {status} x\r\n{headers}\r\n{body}");
            stream.write_all(text.as_bytes())
        };
        if shared.denies {
            let body =
                format!("<Error><Code>AccessDenied</Code><Message>{SECRET}</Message></Error>");
            let length = format!("content-length: {}\r\n", body.len());
            let body = if method == "HEAD" { "" } else { &body };
            answer(403, &length, body).ok()?;
            continue;
        }
        match method {
            "HEAD" => {
                let found = shared.objects.lock().expect("unpoisoned");
                let len = found.get(path).map(|(bytes, _)| bytes.len());
                let status = if len.is_some() { 200 } else { 404 };
                let headers = format!("content-length: {}\r\n", len.unwrap_or(0));
                answer(status, &headers, "").ok()?;
            }
            "PUT" => {
                thread::sleep(*shared.pause.lock().expect("unpoisoned"));
                let is_busy = {
                    let mut busy = shared.busy.lock().expect("unpoisoned");
                    let is_busy = *busy > 0;
                    *busy = busy.saturating_sub(1);
                    is_busy
                };
                if is_busy {
                    answer(503, "content-length: 0\r\nretry-after: 0\r\n", "").ok()?;
                    continue;
                }
                let sum = BASE64_STANDARD.encode(Sha256::digest(&body));
                if header("x-amz-checksum-sha256") != Some(sum) {
                    wrong("another checksum");
                }
                if !query.contains("x-amz-checksum-sha256") {
                    wrong("the checksum is not signed");
                }
                let cache = header("cache-control").unwrap_or_default();
                let mut objects = shared.objects.lock().expect("unpoisoned");
                objects.insert(path.into(), (body, cache));
                shared.order.lock().expect("unpoisoned").push(path.into());
                answer(200, "content-length: 0\r\n", "").ok()?;
            }
            _ => wrong("another method"),
        }
    }
}

#[test]
fn bucket_gets_checked_files_and_the_root_last() {
    let world = World::new();
    build(&world, "coracle");
    let store = Store::new(Shared {
        busy: Mutex::new(2),
        ..Shared::default()
    });
    let ended = process::Ended::of(store.command(&world).output().expect("started"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        *store.shared.wrong.lock().expect("unpoisoned"),
        Vec::<String>::new()
    );
    let order = store.shared.order.lock().expect("unpoisoned").clone();
    assert_eq!(
        order.last().map(String::as_str),
        Some("/docs/v1/search/root.cora")
    );
    assert_eq!(order.len(), names(&world.path("index")).len());
    for (name, (_, cache)) in &*store.shared.objects.lock().expect("unpoisoned") {
        assert_eq!(
            cache.contains("immutable"),
            !name.ends_with("/root.cora"),
            "{name}: {cache}"
        );
    }
    store.download(&world, "copy");
    serves(&world, "copy", "coracle");
}

#[test]
fn kill_leaves_the_old_build_in_a_bucket_and_the_rest_is_sent_later() {
    let world = World::new();
    build(&world, "coracle");
    let store = Store::new(Shared::default());
    assert!(
        store
            .command(&world)
            .output()
            .expect("started")
            .status
            .success()
    );
    let before = store.shared.order.lock().expect("unpoisoned").len();
    build(&world, "kayak");
    *store.shared.pause.lock().expect("unpoisoned") = Duration::from_millis(50);
    let mut child = store
        .command(&world)
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    let begin = Instant::now();
    while store.shared.order.lock().expect("unpoisoned").len() < before + 3 {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing comes");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    assert_eq!(
        child.wait().expect("ended").code(),
        None,
        "it was done already"
    );
    store.download(&world, "copy");
    serves(&world, "copy", "coracle");
    *store.shared.pause.lock().expect("unpoisoned") = Duration::ZERO;
    let ended = process::Ended::of(store.command(&world).output().expect("started"));
    let done: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert!(done["there"].as_u64() >= Some(3), "{done}");
    store.download(&world, "copy");
    serves(&world, "copy", "kayak");
}

#[test]
fn bucket_that_refuses_is_named_and_keys_are_not() {
    let world = World::new();
    build(&world, "coracle");
    let store = Store::new(Shared {
        denies: true,
        ..Shared::default()
    });
    let ended = process::Ended::of(store.command(&world).output().expect("started"));
    ended.fails(6, &["403", "v1/search/"]);
    assert!(!(ended.err + &ended.out).contains(SECRET));
    let to = ["--to", "s3://docs", "--endpoint"];
    let deploy = |endpoint| world.run(&[&["deploy", "index"], &to[..], &[endpoint]].concat());
    deploy(&store.url).fails(2, &["AWS_ACCESS_KEY_ID"]);
    deploy("http://store.example").fails(2, &["--endpoint", "encrypted"]);
    deploy("nothing").fails(2, &["--endpoint"]);
    world
        .run(&["deploy", "index", "--to", "s3:///x"])
        .fails(2, &["--to"]);
}
