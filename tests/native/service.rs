//! The service, route by route: what it answers, what it refuses, what it never tells.

#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::task::Context;
use std::task::Waker;

use coracle::document::Value;
use coracle::index::ROOT_FILE;
use coracle::service::Config;
use coracle::service::Request;
use coracle::service::Service;
use coracle::store::Memory;
use machine::Got;
use machine::Machine;
use machine::Scripted;
use machine::ask;
use machine::get;
use machine::log;
use machine::post;
use machine::request;
use machine::service;
use machine::with;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

const KEY: &str = "sk-secret-of-the-models";
const TOKEN: &str = "secret-token-of-programs";
const ORIGIN: &str = "https://docs.example.com";

fn memory() -> Memory {
    support::memory(&support::documents(20, 1), support::RANGE)
}

fn config(variables: &[(&str, &str)]) -> Config {
    let config = Config::from_variables(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| String::from(*value))
    });
    config.expect("settings")
}

/// Settings with a chat model, and others.
fn with_chat(others: &[(&str, &str)]) -> Config {
    let mut all = vec![
        ("CHAT_URL", "https://models.test/v1"),
        ("CHAT_MODEL", "the-model"),
        ("CHAT_KEY", KEY),
    ];
    all.extend_from_slice(others);
    config(&all)
}

fn searching() -> Service<Machine> {
    service(memory(), Config::default())
}

#[test]
fn search_gives_what_the_engine_finds_and_may_be_cached() {
    let service = searching();
    let filter = "%7B%22lang%22%3A%5B%22en%22%2C%22de%22%5D%7D";
    let target = format!(
        "/search?q=ferry+bridge&limit=3&facets=tags,draft&explain&filter={filter}&alpha=0.5&text=1"
    );
    let got = get(&service, &target);
    assert_eq!(got.status, 200, "{}", got.body());
    assert_eq!(
        got.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(got.header("cache-control"), "public, max-age=300");
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert!(got.header("server-timing").contains("search;dur="));

    let engine = support::open(memory()).expect("opened");
    let options = coracle::search::SearchOptions {
        limit: 3,
        facets: vec!["tags".into(), "draft".into()],
        explain: true,
        filter: Some(coracle::filter::Filter::parse(r#"{"lang":["en","de"]}"#).expect("filter")),
        fusion: coracle::search::Fusion::Convex { alpha: 0.5 },
        ..Default::default()
    };
    let expected = support::search(&engine, "ferry bridge", &options).expect("found");
    let body = got.json();
    let hits = body["hits"].as_array().expect("hits");
    assert_eq!(hits.len(), expected.hits.len());
    for (hit, wanted) in hits.iter().zip(&expected.hits) {
        assert_eq!(hit["id"], wanted.id.as_str());
        let score = hit["score"].as_f64().expect("a score") as f32;
        assert_eq!(score.to_bits(), wanted.score.to_bits());
        let (passage, _) = pollster::block_on(engine.passage(wanted.chunk)).expect("passage");
        assert_eq!(hit["text"], passage.text.as_str());
        let lang = wanted.meta.iter().find(|(name, _)| name == "lang");
        let (_, lang) = lang.expect("a language");
        assert_eq!(
            *lang,
            Value::Text(hit["meta"]["lang"].as_str().expect("text").into())
        );
        assert!(hit["explain"]["terms"].is_array());
        let marks = hit["excerpt"]["marks"].as_array().expect("marks");
        assert_eq!(marks.len(), wanted.excerpt.marks.len());
    }
    let names: Vec<&str> = body
        .as_object()
        .expect("an object")
        .keys()
        .map(|name| &**name)
        .collect();
    for name in [
        "query",
        "mode",
        "hits",
        "total",
        "facets",
        "corrections",
        "stats",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(body["total"], expected.total);
    assert_eq!(body["query"], "ferry bridge");
}

#[test]
fn post_takes_the_same_and_is_not_cached() {
    let service = searching();
    let got = post(
        &service,
        "/search",
        r#"{"q":"harbour","mode":"keyword","limit":2}"#,
    );
    assert_eq!((got.status, got.header("cache-control")), (200, "no-store"));
    let same = get(&service, "/search?q=harbour&mode=keyword&limit=2");
    let (mut one, mut other) = (got.json(), same.json());
    one["stats"] = Json::Null;
    other["stats"] = Json::Null;
    assert_eq!(one, other);
    let head = ask(&service, &request("HEAD", "/search?q=harbour", ""));
    assert_eq!((head.status, head.body().as_str()), (200, ""));
}

#[test]
fn refusals_name_the_parameter() {
    let service = searching();
    let long = format!("/search?q={}", "a".repeat(1001));
    let filter = format!(
        r#"{{"q":"a","filter":{{"lang":"{}"}}}}"#,
        "x".repeat(20_000)
    );
    let large = " ".repeat(70_000);
    for (method, target, body, status, code) in [
        ("GET", "/", "", 404, "not-found"),
        ("GET", "/embed", "", 404, "not-found"),
        ("GET", "/metrics", "", 404, "not-found"),
        ("GET", "/search", "", 400, "missing-query"),
        ("GET", "/search?q=%20", "", 400, "missing-query"),
        ("GET", &long, "", 400, "query-too-long"),
        ("GET", "/search?q=a&mode=magic", "", 400, "bad-request"),
        ("GET", "/search?q=a&limit=0", "", 400, "bad-request"),
        ("GET", "/search?q=a&limit=", "", 400, "bad-request"),
        ("GET", "/search?q=a&limit=1e9", "", 400, "bad-request"),
        ("GET", "/search?q=a&limit=2.5", "", 400, "bad-request"),
        ("GET", "/search?q=a&limit=60&offset=60", "", 400, "limit"),
        ("GET", "/search?q=a&alpha=2", "", 400, "bad-request"),
        ("GET", "/search?q=a&filter={", "", 400, "bad-request"),
        ("GET", "/search?q=a&filter=[1]", "", 400, "filter"),
        (
            "GET",
            "/search?q=a&filter={\"colour\":1}",
            "",
            400,
            "filter",
        ),
        ("GET", "/search?q=a&q=b", "", 400, "bad-request"),
        ("GET", "/search?q=a&colour=red", "", 400, "bad-request"),
        ("GET", "/search?q=a&explain=maybe", "", 400, "bad-request"),
        ("DELETE", "/search?q=a", "", 405, "method-not-allowed"),
        ("POST", "/health", "{}", 405, "method-not-allowed"),
        ("GET", "/mcp", "", 405, "method-not-allowed"),
        ("POST", "/search", "q=a", 400, "bad-request"),
        ("POST", "/search", "[]", 400, "bad-request"),
        ("POST", "/search", "null", 400, "bad-request"),
        ("POST", "/search", r#"{"q":1}"#, 400, "missing-query"),
        (
            "POST",
            "/search",
            r#"{"q":"a","q":"b"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/search",
            r#"{"q":"a","limit":"5"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/search",
            r#"{"q":"a","facets":"a"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/search",
            r#"{"q":"a","vector":[1,null]}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/search",
            r#"{"q":"a","vector":[1]}"#,
            400,
            "embedding",
        ),
        ("POST", "/search", &filter, 400, "filter"),
        ("POST", "/search", &large, 413, "body-too-large"),
        ("POST", "/query", r#"{"q":"a"}"#, 400, "bad-request"),
        ("POST", "/query", r#"{"question":""}"#, 400, "missing-query"),
        (
            "POST",
            "/query",
            r#"{"question":"a","history":[{"role":"pirate","content":"x"}]}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/query",
            r#"{"question":"a","model":"gpt-9"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/query",
            r#"{"question":"a","url":"https://evil.example"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/v1/chat/completions",
            r#"{"messages":[]}"#,
            400,
            "missing-query",
        ),
        (
            "POST",
            "/v1/chat/completions",
            r#"{"messages":[{"role":"assistant","content":"x"}]}"#,
            400,
            "missing-query",
        ),
        (
            "POST",
            "/v1/chat/completions",
            r#"{"messages":[{"role":"user","content":"x"}],"n":2}"#,
            400,
            "bad-request",
        ),
        ("POST", "/ui", r#"{"messages":"x"}"#, 400, "bad-request"),
        (
            "POST",
            "/feedback",
            r#"{"rating":"sideways"}"#,
            400,
            "bad-request",
        ),
        (
            "POST",
            "/feedback",
            r#"{"comment":"x"}"#,
            400,
            "bad-request",
        ),
    ] {
        let got = ask(&service, &request(method, target, body));
        let what = format!("{method} {target} {body:.60}");
        assert_eq!(
            got.refusal(),
            (status, code.to_string()),
            "{what}: {}",
            got.body()
        );
        if status == 405 {
            assert!(got.header("allow").contains("OPTIONS"));
        }
    }
    let got = post(&service, "/search", "\"\u{ff}");
    assert_eq!(got.status, 400);
    let mut bytes = request("POST", "/search", "");
    bytes.body = vec![0x22, 0xff, 0x22];
    assert_eq!(ask(&service, &bytes).refusal().0, 400);
}

#[test]
fn ten_thousand_messages_are_refused_before_anything_is_done() {
    let service = service(memory(), with_chat(&[]));
    for (target, member) in [
        ("/query", "history"),
        ("/v1/chat/completions", "messages"),
        ("/ui", "messages"),
    ] {
        let messages = format!("[{}]", vec!["{}"; 10_000].join(","));
        let body = format!(r#"{{"question":"a","{member}":{messages}}}"#);
        let body = if target == "/query" {
            body
        } else {
            format!(r#"{{"{member}":{messages}}}"#)
        };
        let got = post(&service, target, &body);
        assert_eq!(got.refusal(), (400, "history-too-long".into()), "{target}");
        let messages = vec![json!({"role": "user", "content": "x"}); 10_000];
        let got = post(&service, target, &json!({ member: messages }).to_string());
        assert_eq!(got.refusal(), (413, "body-too-large".into()), "{target}");
    }
    assert_eq!(service.host().sent.borrow().len(), 0);
    assert_eq!(service.host().files.reads.get(), 0);
}

#[test]
fn health_ready_and_version_tell_what_runs() {
    let service = searching();
    let version = get(&service, "/version").json();
    assert_eq!(
        (&version["name"], &version["build"]),
        (&json!("coracle"), &Json::Null)
    );
    let health = get(&service, "/health");
    let body = health.json();
    assert_eq!(body["status"], "ok");
    assert_eq!(body["index"]["documents"], 20);
    assert_eq!(body["index"]["offlineQueries"], true);
    assert_eq!(health.header("cache-control"), "no-store");
    let build = &body["index"]["buildId"];
    assert_eq!(get(&service, "/ready").json()["build"], *build);
    assert_eq!(get(&service, "/version").json()["build"], *build);

    let empty = machine::service(Memory::default(), Config::default());
    for target in ["/health", "/ready", "/search?q=a"] {
        let got = get(&empty, target);
        assert_eq!(got.refusal(), (503, "index-unavailable".into()), "{target}");
        assert_eq!(got.header("retry-after"), "5");
        assert!(!got.body().contains("secret-place"), "{}", got.body());
    }
    let told = log(&empty)
        .iter()
        .any(|line| line.to_string().contains("secret-place"));
    assert!(told, "the log is told why");
    // What cannot be opened is tried again.
    *empty.host().files.memory.borrow_mut() = memory();
    assert_eq!(get(&empty, "/ready").status, 200);
}

#[test]
fn newer_build_takes_the_place_of_the_older_one() {
    let service = service(memory(), config(&[("REFRESH_SECONDS", "60")]));
    let build =
        |service: &Service<Machine>| get(service, "/health").json()["index"]["buildId"].clone();
    let old = build(&service);
    *service.host().files.memory.borrow_mut() =
        support::memory(&support::documents(21, 2), support::RANGE);
    assert_eq!(build(&service), old, "not yet looked at");
    service.host().clock.set(61_000);
    let new = build(&service);
    assert_ne!(new, old);
    assert_eq!(service.host().opened.get(), 2);
    // Looking fails: the index at hand serves on.
    let files = std::mem::take(&mut *service.host().files.memory.borrow_mut());
    service.host().clock.set(130_000);
    assert_eq!(build(&service), new);
    assert_eq!(build(&service), new);
    assert_eq!(service.host().opened.get(), 3, "one look a time");
    let refreshed = log(&service).iter().any(|line| line["event"] == "refresh");
    assert!(refreshed);
    *service.host().files.memory.borrow_mut() = files;
}

#[test]
fn lost_index_is_opened_anew_and_the_request_answered() {
    let service = searching();
    assert_eq!(get(&service, "/health").status, 200);
    // The files of the build that is open are gone; another one's root is there.
    *service.host().files.memory.borrow_mut() =
        support::memory(&support::documents(22, 3), support::RANGE);
    let got = get(&service, "/search?q=harbour");
    assert_eq!(got.status, 200, "{}", got.body());
    assert_eq!(service.host().opened.get(), 2);
    // A body that stays away is an error after one more try.
    let root = service.host().files.memory.borrow().files()[ROOT_FILE].clone();
    let mut bare = Memory::default();
    bare.insert(ROOT_FILE, root);
    let lost = machine::service(bare, Config::default());
    assert_eq!(get(&lost, "/search?q=harbour").refusal().0, 503);
    assert_eq!(lost.host().opened.get(), 2);
}

#[test]
fn requests_that_are_dropped_leave_nothing_locked() {
    let service = searching();
    assert_eq!(get(&service, "/health").status, 200);
    let machine = service.host();
    machine.is_frozen.set(true);
    machine.files.is_stuck.set(true);
    let asked = request("GET", "/search?q=harbour", "");
    let mut got = Got::default();
    let mut handled = Box::pin(service.handle(&asked, &mut got));
    let mut context = Context::from_waker(Waker::noop());
    assert!(handled.as_mut().poll(&mut context).is_pending());
    drop(handled);
    assert_eq!(log(&service).pop().expect("a line")["status"], 499);
    machine.files.is_stuck.set(false);
    assert_eq!(get(&service, "/search?q=harbour").status, 200);

    // A request that is kept and never driven again holds what it reads, until it is released.
    machine.files.is_stuck.set(true);
    let asked = request("GET", "/search?q=river&mode=keyword", "");
    let mut got = Got::default();
    let mut abandoned = Box::pin(service.handle(&asked, &mut got));
    assert!(abandoned.as_mut().poll(&mut context).is_pending());
    machine.files.is_stuck.set(false);
    let mut other = Got::default();
    let mut waiting = Box::pin(service.handle(&asked, &mut other));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    service.release();
    assert!(waiting.as_mut().poll(&mut context).is_ready());
}

#[test]
fn slow_search_is_given_up() {
    let service = service(memory(), config(&[("SEARCH_TIMEOUT_MS", "1234")]));
    service.host().files.is_stuck.set(true);
    let got = get(&service, "/search?q=harbour");
    assert_eq!(got.refusal(), (504, "timeout".into()));
    assert_eq!(service.host().clock.get(), 1234);
}

#[test]
fn origins_are_matched_exactly() {
    let service = service(memory(), config(&[("ALLOW_ORIGIN", ORIGIN)]));
    let search = request("GET", "/search?q=harbour", "");
    let got = ask(&service, &with(search.clone(), "origin", ORIGIN));
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(got.header("vary"), "origin");
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    for origin in [
        "null",
        "https://docs.example.com.evil.example",
        "http://docs.example.com",
        "https://DOCS.example.com",
        "https://docs.example.com:8443",
    ] {
        let got = ask(&service, &with(search.clone(), "origin", origin));
        assert_eq!(
            (got.status, got.header("access-control-allow-origin")),
            (200, "")
        );
        for target in ["/query", "/v1/chat/completions", "/ui", "/mcp", "/feedback"] {
            let asked = request("POST", target, r#"{"question":"harbour pilot"}"#);
            let got = ask(&service, &with(asked, "origin", origin));
            assert_eq!(got.refusal(), (403, "origin".into()), "{target} {origin}");
            assert_eq!(got.header("access-control-allow-origin"), "");
        }
    }
    assert_eq!(
        ask(&service, &with(query.clone(), "origin", ORIGIN)).status,
        200
    );
    assert_eq!(
        ask(&service, &query).status,
        200,
        "a program, where no token is needed"
    );
    // Without a list anybody's page may search, none may ask for answers.
    let open = searching();
    let got = ask(&open, &with(query, "origin", ORIGIN));
    assert_eq!(got.refusal(), (403, "origin".into()));
    assert_eq!(got.header("access-control-allow-origin"), "");
}

#[test]
fn preflight_says_who_may_send_what() {
    let service = service(memory(), config(&[("ALLOW_ORIGIN", ORIGIN)]));
    let got = ask(
        &service,
        &with(request("OPTIONS", "/search", ""), "origin", ORIGIN),
    );
    assert_eq!((got.status, got.body().as_str()), (204, ""));
    assert_eq!(
        got.header("access-control-allow-methods"),
        "GET, HEAD, POST, OPTIONS"
    );
    assert_eq!(got.header("access-control-allow-headers"), "content-type");
    let asked = request("OPTIONS", "/v1/chat/completions", "");
    let asked = with(
        asked,
        "access-control-request-headers",
        "authorization,x-stainless-lang",
    );
    let got = ask(&service, &with(asked.clone(), "origin", ORIGIN));
    assert_eq!(
        got.header("access-control-allow-headers"),
        "authorization,x-stainless-lang"
    );
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    let got = ask(&service, &with(asked, "origin", "https://evil.example"));
    assert_eq!(got.header("access-control-allow-origin"), "");
}

#[test]
fn programs_show_a_token_where_tokens_are_set() {
    let settings = [("API_TOKENS", TOKEN), ("ALLOW_ORIGIN", ORIGIN)];
    let service = service(memory(), config(&settings));
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    for token in [
        None,
        Some("Bearer "),
        Some("Bearer secret-token-of-programt"),
        Some(TOKEN),
        Some("Basic x"),
    ] {
        let mut asked = query.clone();
        if let Some(token) = token {
            asked = with(asked, "authorization", token);
        }
        let got = ask(&service, &asked);
        assert_eq!(got.refusal(), (401, "unauthorized".into()), "{token:?}");
        assert_eq!(got.header("www-authenticate"), "Bearer");
    }
    let bearer = format!("bearer {TOKEN}");
    let with_token = with(query.clone(), "authorization", &bearer);
    assert_eq!(ask(&service, &with_token).status, 200);
    assert_eq!(
        ask(&service, &with(query, "origin", ORIGIN)).status,
        200,
        "a page needs none"
    );
    assert_eq!(
        get(&service, "/search?q=harbour").status,
        200,
        "nor does who searches"
    );
}

#[test]
fn clients_are_limited_by_cost_and_get_it_back() {
    let service = service(memory(), config(&[("RATE_LIMIT", "41")]));
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    assert_eq!(ask(&service, &query).status, 200);
    assert_eq!(ask(&service, &query).status, 200);
    let got = ask(&service, &query);
    assert_eq!(got.refusal(), (429, "rate-limited".into()));
    assert_eq!(got.header("retry-after"), "28");
    assert_eq!(
        get(&service, "/search?q=harbour").status,
        200,
        "a search is still affordable"
    );
    let mut other = query.clone();
    other.client = "2001:db8::1".into();
    assert_eq!(ask(&service, &other).status, 200);
    let clock = &service.host().clock;
    clock.set(clock.get() + 60_000);
    assert_eq!(ask(&service, &query).status, 200);
    service.host().admits.set(Some(false));
    other.client = "another".into();
    assert_eq!(
        ask(&service, &other).refusal().0,
        429,
        "the host's own limiter"
    );
    assert_eq!(get(&service, "/health").status, 200, "costs nothing");
}

fn embedding_config(others: &[(&str, &str)]) -> Config {
    let mut all = vec![
        ("EMBED_URL", "https://embed.test/v1"),
        ("EMBED_MODEL", "embedder"),
        ("EMBED_KEY", KEY),
        ("ALLOW_ORIGIN", ORIGIN),
    ];
    all.extend_from_slice(others);
    config(&all)
}

fn embedding(row: &[f32]) -> Scripted {
    let body = json!({ "data": [{ "index": 0, "embedding": row }] });
    Scripted::Answers(200, vec![body.to_string()])
}

#[test]
fn queries_are_embedded_by_the_model_once() {
    let service = service(memory(), embedding_config(&[]));
    let row = support::unprojected(&[0.5; support::DIM]);
    let asked = with(
        request("POST", "/embed", r#"{"q":"harbour"}"#),
        "origin",
        ORIGIN,
    );
    service
        .host()
        .script
        .borrow_mut()
        .push_back(embedding(&row));
    for _ in 0..2 {
        let got = ask(&service, &asked);
        assert_eq!(got.status, 200, "{}", got.body());
        let numbers = got.json()["embedding"].as_array().expect("numbers").len();
        assert_eq!(numbers, row.len());
    }
    let search = with(
        request("GET", "/search?q=harbour&mode=vector", ""),
        "origin",
        ORIGIN,
    );
    let got = ask(&service, &search);
    assert_eq!((got.status, got.header("coracle-degraded")), (200, ""));
    assert_eq!(service.host().sent.borrow().len(), 1, "kept");
    let stranger = with(
        request("GET", "/search?q=river", ""),
        "origin",
        "https://evil.example",
    );
    assert_eq!(ask(&service, &stranger).status, 200);
    assert_eq!(
        service.host().sent.borrow().len(),
        1,
        "strangers do not spend"
    );
    let stranger = with(asked, "origin", "https://evil.example");
    let mut foreign = stranger;
    foreign.headers.remove(0);
    assert_eq!(ask(&service, &foreign).refusal().0, 403);
}

#[test]
fn embedder_that_is_down_degrades_visibly() {
    let service = service(memory(), embedding_config(&[]));
    let search = with(request("GET", "/search?q=harbour", ""), "origin", ORIGIN);
    let got = ask(&service, &search);
    assert_eq!(
        (got.status, got.header("coracle-degraded")),
        (200, "embedding")
    );
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.json()["degraded"], "embedding");
    // An embedder of other dimensions is the operator's mistake.
    service.host().clock.set(1_000_000);
    service
        .host()
        .script
        .borrow_mut()
        .push_back(embedding(&[1.0, 2.0]));
    let got = ask(
        &service,
        &with(request("GET", "/search?q=pilot", ""), "origin", ORIGIN),
    );
    assert_eq!(
        (got.status, got.header("coracle-degraded")),
        (200, "embedding")
    );
    let asked = with(
        request("POST", "/embed", r#"{"q":"anchor"}"#),
        "origin",
        ORIGIN,
    );
    let got = ask(&service, &asked);
    assert_eq!(got.refusal(), (503, "embedding-unavailable".into()));
    assert!(
        log(&service)
            .iter()
            .any(|line| line["degraded"] == json!(["embedding: unreachable"]))
    );
}

#[test]
fn metrics_count_what_happened() {
    let service = service(memory(), config(&[("METRICS", "true")]));
    get(&service, "/search?q=harbour");
    get(&service, "/search");
    let got = get(&service, "/metrics");
    assert_eq!(
        got.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = got.body();
    for line in [
        "coracle_requests_total{route=\"/search\",status=\"200\"} 1",
        "coracle_requests_total{route=\"/search\",status=\"400\"} 1",
        "coracle_request_duration_seconds_bucket{route=\"/search\",le=\"0.001\"} 2",
        "coracle_request_duration_seconds_bucket{route=\"/search\",le=\"+Inf\"} 2",
        "# TYPE coracle_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(text.contains("coracle_index_info{build=\""));
    let shape = |line: &str| {
        line.starts_with('#')
            || line
                .rsplit_once(' ')
                .is_some_and(|(_, number)| number.parse::<f64>().is_ok())
    };
    assert!(text.lines().all(shape), "{text}");
}

#[test]
fn feedback_is_a_line_in_the_log() {
    let service = searching();
    let body = json!({ "rating": "down", "request": "abc", "comment": "no\nanswer \"here\"" });
    let got = post(&service, "/feedback", &body.to_string());
    assert_eq!((got.status, got.body().as_str()), (204, ""));
    let lines = log(&service);
    let line = lines
        .iter()
        .find(|line| line["event"] == "feedback")
        .expect("a line");
    assert_eq!(line["feedback"], body);
}

#[test]
fn one_line_is_logged_for_each_request_without_the_question() {
    let service = searching();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = request("GET", "/search?q=harbour+pilot", "");
    let asked = with(with(asked, "x-request-id", "mine-1"), "traceparent", trace);
    let got = ask(&service, &asked);
    assert_eq!(got.header("x-request-id"), "mine-1");
    assert_eq!(got.header("traceparent"), trace);
    let forged = with(
        request("GET", "/version", ""),
        "x-request-id",
        "a\r\nset-cookie: b",
    );
    let got = ask(&service, &forged);
    assert_eq!(got.header("x-request-id"), "8000000080000000");
    let lines = log(&service);
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    for (name, value) in [
        ("id", json!("mine-1")),
        ("traceparent", json!(trace)),
        ("method", json!("GET")),
        ("route", json!("/search")),
        ("status", json!(200)),
        ("query_length", json!(13)),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    assert!(line["bytes"].as_u64() > Some(0) && line["reads"].as_u64() > Some(0));
    assert!(
        line["build"]
            .as_str()
            .is_some_and(|build| build.len() == 16)
    );
    assert!(!line.to_string().contains("harbour"), "{line}");
}

fn call(service: &Service<Machine>, method: &str, params: Json) -> Got {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    post(service, "/mcp", &body.to_string())
}

fn tool(service: &Service<Machine>, name: &str, arguments: Json) -> Json {
    let got = call(
        service,
        "tools/call",
        json!({ "name": name, "arguments": arguments }),
    );
    assert_eq!(got.status, 200, "{}", got.body());
    got.json()["result"].clone()
}

#[test]
fn mcp_agrees_on_a_revision_with_a_handshake() {
    let service = searching();
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": client });
        let result = call(&service, "initialize", params).json()["result"].clone();
        assert_eq!(result["protocolVersion"], agreed);
        assert_eq!(result["serverInfo"]["name"], "coracle");
        assert!(result["capabilities"]["tools"].is_object());
    }
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let got = post(&service, "/mcp", note);
    assert_eq!((got.status, got.body().as_str()), (202, ""));
    assert_eq!(
        call(&service, "ping", json!({})).json(),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
    );
    let listed = call(&service, "tools/list", json!({})).json();
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(names, ["search_docs", "get_page", "list_pages"]);
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["query"]));
    let got = ask(
        &service,
        &with(
            request(
                "POST",
                "/mcp",
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            ),
            "mcp-protocol-version",
            "1900-01-01",
        ),
    );
    assert_eq!(got.status, 400);
}

#[test]
fn mcp_without_a_handshake_names_its_revision_in_every_request() {
    let service = searching();
    let meta = |version: &str| json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {} } });
    let result = call(&service, "server/discover", meta("2026-07-28")).json()["result"].clone();
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "coracle"
    );
    let result = call(&service, "tools/list", meta("2026-07-28")).json()["result"].clone();
    assert_eq!(
        (&result["cacheScope"], result["ttlMs"].as_u64()),
        (&json!("public"), Some(300_000))
    );
    let got = call(&service, "tools/list", meta("2030-01-01"));
    assert_eq!(
        (got.status, &got.json()["error"]["code"]),
        (400, &json!(-32022))
    );
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": meta("2026-07-28") });
    let asked = with(
        request("POST", "/mcp", &body.to_string()),
        "mcp-protocol-version",
        "2025-11-25",
    );
    assert_eq!(ask(&service, &asked).json()["error"]["code"], -32020);
}

#[test]
fn mcp_tools_search_read_and_list() {
    let service = searching();
    let found = tool(
        &service,
        "search_docs",
        json!({ "query": "harbour pilot", "limit": 3 }),
    );
    let hits = found["structuredContent"]["hits"]
        .as_array()
        .expect("hits")
        .clone();
    assert_eq!(hits.len(), 3);
    let text = found["content"][0]["text"].as_str().expect("text");
    assert!(text.contains(hits[0]["text"].as_str().expect("text")));
    let page = tool(&service, "get_page", json!({ "chunk": hits[0]["chunk"] }));
    let structured = &page["structuredContent"];
    let url = structured["url"].as_str().expect("a url");
    assert!(hits[0]["url"].as_str().expect("a url").starts_with(url));
    assert!(
        structured["text"]
            .as_str()
            .expect("text")
            .contains(hits[0]["text"].as_str().expect("text"))
    );
    let same = tool(
        &service,
        "get_page",
        json!({ "url": format!("{url}#part-0") }),
    );
    assert_eq!(same["structuredContent"], *structured);
    let pages = tool(&service, "list_pages", json!({ "offset": 15, "limit": 3 }));
    let pages = &pages["structuredContent"];
    assert_eq!((&pages["total"], &pages["next"]), (&json!(20), &json!(18)));
    assert_eq!(pages["pages"][0]["url"], "/doc/15");
    let last = tool(&service, "list_pages", json!({ "offset": 18 }));
    assert_eq!(last["structuredContent"]["next"], Json::Null);
}

#[test]
fn mcp_faults_are_those_of_json_rpc() {
    let service = searching();
    for (body, status, code) in [
        ("{", 400, -32700),
        ("[]", 400, -32600),
        (r#"{"id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#,
            200,
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#,
            200,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_page","arguments":[1]}}"#,
            200,
            -32602,
        ),
    ] {
        let got = post(&service, "/mcp", body);
        assert_eq!(
            (got.status, &got.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    for (name, arguments) in [
        ("search_docs", json!({})),
        ("search_docs", json!({ "query": "a", "limit": 1000 })),
        ("search_docs", json!({ "query": "a", "model": "x" })),
        ("get_page", json!({})),
        ("get_page", json!({ "chunk": 999_999 })),
        ("get_page", json!({ "url": "/nowhere" })),
        ("list_pages", json!({ "limit": 0 })),
    ] {
        let said = tool(&service, name, arguments.clone());
        assert_eq!(said["isError"], true, "{name} {arguments}");
        assert!(
            said["content"][0]["text"]
                .as_str()
                .is_some_and(|text| text.len() > 5)
        );
    }
}

#[test]
fn openapi_describes_all_routes_there_are() {
    let service = searching();
    let plain = get(&service, "/openapi.json").json();
    assert_eq!(plain["openapi"], "3.1.0");
    assert!(plain["paths"]["/metrics"].is_null() && plain["paths"]["/embed"].is_null());
    let whole = machine::service(memory(), embedding_config(&[("METRICS", "true")]));
    let whole = get(&whole, "/openapi.json").json();
    let paths = whole["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{path}");
            let got = ask(&service, &request(&method.to_uppercase(), path, ""));
            assert_ne!(got.status, 405, "{method} {path}");
        }
    }
    assert_eq!(paths.len(), 13);
    let parameters = whole["paths"]["/search"]["get"]["parameters"]
        .as_array()
        .expect("parameters");
    assert_eq!(parameters[0]["name"], "q");
    assert_eq!(parameters[0]["required"], true);
    let query =
        &whole["paths"]["/query"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(query["required"], json!(["question"]));
}

/// A question that the documents of these tests hold words of.
const QUESTION: &str = "Where does the harbour pilot anchor?";

fn asked(members: Json) -> String {
    let mut body = json!({ "question": QUESTION });
    let all = body.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    body.to_string()
}

/// A chat model that says this next.
fn say(service: &Service<Machine>, text: &str) {
    let said = machine::says(text);
    service.host().script.borrow_mut().push_back(said);
}

const SAID: &str = "The harbour pilot waits near the anchor [1]. Nobody knows why.";

#[test]
fn query_answers_whole_with_sources_and_citations() {
    let service = service(memory(), with_chat(&[]));
    say(&service, SAID);
    let got = post(
        &service,
        "/query",
        &asked(json!({ "filter": { "lang": ["en", "de"] } })),
    );
    assert_eq!(got.status, 200, "{}", got.body());
    assert_eq!(got.header("cache-control"), "no-store");
    let body = got.json();
    assert_eq!(body["outcome"], "answered");
    assert!(
        body["answer"]
            .as_str()
            .expect("text")
            .starts_with("The harbour pilot waits")
    );
    assert_eq!(body["sources"][0]["number"], 1);
    assert!(
        body["sources"][0]["url"]
            .as_str()
            .expect("a url")
            .starts_with("/doc/")
    );
    assert_eq!(body["citations"][0]["sources"], json!([1]));
    assert_eq!(body["usage"], json!({ "input": 100, "output": 20 }));
    assert_eq!(body["id"], got.header("x-request-id"));
    let sent = service.host().sent.borrow();
    assert_eq!(sent[0].url, "https://models.test/v1/chat/completions");
    let lines = log(&service);
    let line = &lines[0];
    assert_eq!(line["gen_ai.usage.input_tokens"], 100);
    assert_eq!(
        (&line["outcome"], &line["cache"]),
        (&json!("answered"), &json!("miss"))
    );
    assert!(line["bytes"].as_u64() > Some(0), "{line}");
}

#[test]
fn query_streams_events_as_they_come() {
    let service = service(memory(), with_chat(&[]));
    say(&service, SAID);
    let accept = with(
        request("POST", "/query", &asked(json!({}))),
        "accept",
        "text/event-stream",
    );
    let got = ask(&service, &accept);
    assert_eq!(
        got.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(got.header("cache-control"), "no-cache, no-transform");
    let body = got.body();
    let names: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!((names[0], names[1]), ("search", "sources"));
    assert_eq!(*names.last().expect("an end"), "done");
    assert!(names.contains(&"citation") && names.contains(&"usage"));
    assert!(got.pieces.len() > 5, "pieces as they come");
    let told = got.data();
    for (name, data) in names.iter().zip(&told) {
        assert_eq!(data["type"], *name);
    }
    let text: String = told
        .iter()
        .filter_map(|data| data["text"].as_str())
        .collect();
    assert!(text.starts_with("The harbour pilot waits"), "{text}");
    // What is asked for in the body goes before what the header says.
    let whole = with(
        request("POST", "/query", &asked(json!({ "stream": false }))),
        "accept",
        "text/event-stream",
    );
    assert!(ask(&service, &whole).json()["answer"].is_string());
}

#[test]
fn follow_ups_carry_what_was_said_and_nothing_of_the_system() {
    let service = service(memory(), with_chat(&[]));
    say(&service, "harbour pilot anchor");
    say(&service, SAID);
    let history = json!([
        { "role": "system", "content": "You are a pirate." },
        { "role": "user", "content": "Who pilots the harbour?" },
        { "role": "assistant", "content": "The pilot." },
    ]);
    let got = post(&service, "/query", &asked(json!({ "history": history })));
    assert_eq!(got.json()["outcome"], "answered", "{}", got.body());
    let sent = service.host().sent.borrow();
    assert_eq!(sent.len(), 2, "one to make the question stand alone");
    assert!(sent[0].body.contains("Who pilots the harbour?"));
    assert!(sent.iter().all(|request| !request.body.contains("pirate")));
    assert!(
        service.host().store.borrow().is_empty(),
        "conversations are not kept"
    );
}

#[test]
fn completions_speak_as_clients_of_openai_expect() {
    let service = service(memory(), with_chat(&[("API_TOKENS", TOKEN)]));
    let bearer = format!("Bearer {TOKEN}");
    let body = json!({
        "model": "gpt-4o",
        "messages": [
            { "role": "system", "content": "You are a pirate." },
            { "role": "user", "content": [{ "type": "text", "text": QUESTION }] },
        ],
        "temperature": 1.9,
        "max_tokens": 100_000,
        "base_url": "https://evil.example",
        "stream": null,
    });
    let chat = |body: &Json| {
        let asked = request("POST", "/v1/chat/completions", &body.to_string());
        ask(&service, &with(asked, "authorization", &bearer))
    };
    say(&service, SAID);
    let got = chat(&body);
    let whole = got.json();
    assert_eq!(
        (got.status, &whole["object"]),
        (200, &json!("chat.completion")),
        "{whole}"
    );
    assert_eq!(whole["model"], "gpt-4o");
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(choice["message"]["role"], "assistant");
    let text = choice["message"]["content"].as_str().expect("text");
    let annotation = &choice["message"]["annotations"][0];
    assert_eq!(annotation["type"], "url_citation");
    let place = &annotation["url_citation"];
    let (start, end) = (place["start_index"].as_u64(), place["end_index"].as_u64());
    let cited = &text[start.expect("start") as usize..end.expect("end") as usize];
    assert!(cited.starts_with("The harbour pilot"), "{cited}");
    assert_eq!(
        choice["message"]["sources"]
            .as_array()
            .expect("sources")
            .len(),
        1
    );
    assert_eq!(whole["usage"]["total_tokens"], 120);
    {
        let sent = service.host().sent.borrow();
        let upstream = &sent[0];
        assert_eq!(upstream.url, "https://models.test/v1/chat/completions");
        for other in ["gpt-4o", "pirate", "evil.example", "1.9", "100000"] {
            assert!(!upstream.body.contains(other), "{other}");
        }
        assert!(upstream.body.contains("\"model\":\"the-model\""));
    }

    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({ "include_usage": true });
    let got = chat(&streamed);
    assert_eq!(
        got.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    let mut chunks = got.data();
    assert_eq!(chunks.pop(), Some(json!("[DONE]")));
    let usage = chunks.pop().expect("usage");
    assert_eq!(
        (&usage["choices"], &usage["usage"]["prompt_tokens"]),
        (&json!([]), &json!(100))
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let last = chunks.last().expect("a last chunk");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["sources"].as_array().expect("sources").len(), 1);
    let text_again: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text_again, text);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == last["id"] && chunk["model"] == "gpt-4o")
    );

    let models = ask(
        &service,
        &with(request("GET", "/v1/models", ""), "authorization", &bearer),
    );
    assert_eq!(models.json()["data"][0]["id"], "coracle");
    let stranger = get(&service, "/v1/models");
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.json()["error"]["type"], "authentication_error");
}

#[test]
fn completions_that_break_off_are_errors() {
    let service = service(memory(), with_chat(&[]));
    let Scripted::Answers(_, mut pieces) = machine::says("The harbour is wide and deep.") else {
        unreachable!("an answer")
    };
    pieces.truncate(3);
    let breaks = Scripted::Breaks(pieces);
    let script = &service.host().script;
    script.borrow_mut().extend([breaks.clone(), breaks]);
    let message = json!([{ "role": "user", "content": QUESTION }]);
    let got = post(
        &service,
        "/v1/chat/completions",
        &json!({ "messages": message }).to_string(),
    );
    assert_eq!(got.status, 502, "{}", got.body());
    assert_eq!(got.json()["error"]["type"], "server_error");
    let got = post(
        &service,
        "/v1/chat/completions",
        &json!({ "messages": message, "stream": true }).to_string(),
    );
    let chunks = got.data();
    assert!(
        chunks
            .iter()
            .any(|chunk| chunk["error"]["message"].is_string()),
        "{}",
        got.body()
    );
    let told = json!({ "error": { "message": "quota of org-1234 is used up" } });
    let Scripted::Answers(_, mut pieces) = machine::says("The harbour is wide.") else {
        unreachable!("an answer")
    };
    pieces.truncate(2);
    pieces.push(format!("data: {told}\n\n"));
    let says = || Scripted::Answers(200, pieces.clone());
    script.borrow_mut().extend([says(), says()]);
    for (target, body) in [
        ("/query", asked(json!({}))),
        ("/ui", json!({ "messages": message }).to_string()),
    ] {
        let got = post(&service, target, &body);
        assert!(got.body().contains("broke off"), "{}", got.body());
        assert!(!got.body().contains("org-1234"), "for its operator alone");
    }
    let lines = service.host().lines.borrow();
    assert!(lines.iter().any(|line| line.contains("org-1234")));
    assert!(service.host().store.borrow().is_empty(), "not kept");
}

#[test]
fn ui_streams_the_parts_of_a_message() {
    let service = service(memory(), with_chat(&[("ALLOW_ORIGIN", ORIGIN)]));
    say(&service, SAID);
    let parts = json!([{ "type": "text", "text": QUESTION }]);
    let messages = json!([{ "id": "m1", "role": "user", "parts": parts }]);
    let body = json!({ "id": "chat", "trigger": "submit-message", "messages": messages });
    let asked = with(request("POST", "/ui", &body.to_string()), "origin", ORIGIN);
    let got = ask(&service, &asked);
    assert_eq!(got.header("x-vercel-ai-ui-message-stream"), "v1");
    let mut parts = got.data();
    assert_eq!(parts.pop(), Some(json!("[DONE]")));
    let types: Vec<&str> = parts
        .iter()
        .map(|part| part["type"].as_str().expect("a type"))
        .collect();
    let place = |wanted: &str| {
        types
            .iter()
            .position(|kind| *kind == wanted)
            .unwrap_or_else(|| panic!("{wanted} in {types:?}"))
    };
    assert_eq!(
        (types[0], *types.last().expect("a last")),
        ("start", "finish")
    );
    assert!(place("source-url") < place("text-start") && place("text-start") < place("text-delta"));
    assert_eq!(types.iter().filter(|kind| **kind == "text-end").count(), 1);
    assert!(place("text-end") < place("finish"));
    let source = &parts[place("source-url")];
    assert!(source["url"].as_str().expect("a url").starts_with("/doc/"));
    let text: String = parts
        .iter()
        .filter_map(|part| part["delta"].as_str())
        .collect();
    assert!(text.starts_with("The harbour pilot waits"), "{text}");
    // The protocol's schema is strict about members.
    for part in &parts {
        let members: Vec<&str> = part
            .as_object()
            .expect("an object")
            .keys()
            .map(|name| &**name)
            .collect();
        let kind = part["type"].as_str().expect("a type");
        let known: &[&str] = match kind {
            "start" => &["type", "messageId"],
            "text-start" | "text-end" => &["type", "id"],
            "text-delta" => &["type", "id", "delta"],
            "source-url" => &["type", "sourceId", "url", "title"],
            "finish" => &["type"],
            _ if kind.starts_with("data-") => &["type", "data", "transient"],
            _ => panic!("{kind}"),
        };
        assert!(members.iter().all(|name| known.contains(name)), "{part}");
    }
}

#[test]
fn same_question_is_answered_from_what_was_kept() {
    let service = service(
        memory(),
        with_chat(&[("CACHE_SECONDS", "600"), ("DAILY_TOKENS", "1000000")]),
    );
    say(&service, SAID);
    let first = post(&service, "/query", &asked(json!({}))).json();
    let again = json!({ "question": format!("  {}  ", QUESTION.to_uppercase()) }).to_string();
    let second = post(&service, "/query", &again).json();
    assert_eq!(service.host().sent.borrow().len(), 1);
    for name in [
        "answer",
        "outcome",
        "sources",
        "citations",
        "usage",
        "searches",
    ] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert_eq!(log(&service)[1]["cache"], "hit");
    // Another filter, another build, and the end of its time are other answers.
    say(&service, SAID);
    post(
        &service,
        "/query",
        &asked(json!({ "filter": { "lang": "en" } })),
    );
    assert_eq!(service.host().sent.borrow().len(), 2);
    let clock = &service.host().clock;
    clock.set(clock.get() + 601_000);
    say(&service, SAID);
    post(&service, "/query", &asked(json!({})));
    assert_eq!(service.host().sent.borrow().len(), 3);
    *service.host().files.memory.borrow_mut() =
        support::memory(&support::documents(21, 2), support::RANGE);
    clock.set(clock.get() + 301_000);
    say(&service, SAID);
    post(&service, "/query", &asked(json!({})));
    assert_eq!(service.host().sent.borrow().len(), 4, "of another build");
}

#[test]
fn what_others_keep_under_a_key_is_not_believed() {
    let service = service(memory(), with_chat(&[]));
    say(&service, SAID);
    post(&service, "/query", &asked(json!({})));
    for (value, _) in service.host().store.borrow_mut().values_mut() {
        let text = String::from_utf8(value.clone()).expect("UTF-8");
        *value = text
            .replace("harbour pilot anchor", "another question")
            .into_bytes();
    }
    say(&service, SAID);
    post(&service, "/query", &asked(json!({})));
    assert_eq!(service.host().sent.borrow().len(), 2);
}

#[test]
fn budget_of_the_day_ends_in_extractive_answers() {
    // An answer sets 2 × (3000 + 1500 + 1024) tokens aside and settles for the 120 that it takes.
    let service = service(
        memory(),
        with_chat(&[
            ("DAILY_TOKENS", "11100"),
            ("CACHE_SECONDS", "0"),
            ("RATE_LIMIT", "0"),
        ]),
    );
    say(&service, SAID);
    assert_eq!(
        post(&service, "/query", &asked(json!({}))).json()["outcome"],
        "answered"
    );
    let got = post(&service, "/query", &asked(json!({}))).json();
    assert_eq!(
        got["degraded"],
        json!([{ "part": "chat", "code": "budget" }])
    );
    assert!(
        got["outcome"] == "extractive" || got["outcome"] == "not-covered",
        "{got}"
    );
    assert_eq!(service.host().sent.borrow().len(), 1);
    assert_eq!(get(&service, "/search?q=harbour").status, 200);
    let clock = &service.host().clock;
    clock.set(clock.get() + 86_400_000);
    say(&service, SAID);
    assert_eq!(
        post(&service, "/query", &asked(json!({}))).json()["outcome"],
        "answered",
        "the next day"
    );
}

#[test]
fn budget_counts_what_answers_took() {
    // 11,048 tokens are set aside for an answer that then takes 120: three fit.
    let settings = [
        ("DAILY_TOKENS", "11300"),
        ("CACHE_SECONDS", "0"),
        ("RATE_LIMIT", "0"),
    ];
    let service = service(memory(), with_chat(&settings));
    for answered in [true, true, true, false] {
        say(&service, SAID);
        let got = post(&service, "/query", &asked(json!({}))).json();
        assert_eq!(got["outcome"] == "answered", answered, "{got}");
    }
    // What another instance has spent counts, whichever of both knows more.
    let other = machine::service(memory(), with_chat(&settings));
    let spent = service.host().store.borrow().clone();
    assert_eq!(spent.values().next().expect("a sum").0, b"360");
    *other.host().store.borrow_mut() = spent;
    say(&other, SAID);
    let got = post(&other, "/query", &asked(json!({}))).json();
    assert_eq!(got["degraded"][0]["code"], "budget");
}

#[test]
fn hanging_up_ends_the_answer_and_is_not_free() {
    let service = service(memory(), with_chat(&[("DAILY_TOKENS", "11100")]));
    say(&service, SAID);
    let asking = request("POST", "/query", &asked(json!({ "stream": true })));
    let mut got = Got {
        patience: Some(2),
        ..Got::default()
    };
    let handled = pollster::block_on(service.handle(&asking, &mut got));
    assert!(handled.is_err());
    assert_eq!(service.host().cut.get(), 1, "the model's server is left");
    assert_eq!(log(&service)[0]["status"], 499);
    let whole = request("POST", "/query", &asked(json!({})));
    let next = ask(&service, &whole).json();
    assert_eq!(
        next["degraded"][0]["code"], "budget",
        "what was set aside stays spent"
    );
}

#[test]
fn chat_that_is_down_leaves_sentences_of_the_documents() {
    let service = service(memory(), with_chat(&[]));
    let got = post(&service, "/query", &asked(json!({}))).json();
    assert_eq!(got["degraded"][0]["part"], "chat", "{got}");
    assert_ne!(got["outcome"], "answered");
    assert!(
        got["sources"]
            .as_array()
            .is_some_and(|sources| !sources.is_empty())
    );
    assert!(service.host().store.borrow().is_empty(), "not kept");
    let plain = searching();
    let got = post(&plain, "/query", &asked(json!({}))).json();
    assert_eq!(
        got["degraded"],
        json!([]),
        "nothing is missing where no model is wanted"
    );
}

#[test]
fn answer_from_a_lost_index_is_tried_once_more_or_refused() {
    let service = service(memory(), with_chat(&[]));
    assert_eq!(get(&service, "/health").status, 200);
    *service.host().files.memory.borrow_mut() =
        support::memory(&support::documents(22, 3), support::RANGE);
    say(&service, SAID);
    let got = post(&service, "/query", &asked(json!({ "stream": true })));
    assert_eq!(got.status, 200, "{}", got.body());
    let searches = got
        .data()
        .iter()
        .filter(|data| data["type"] == "search")
        .count();
    assert_eq!(searches, 1, "the first attempt is not told");
    let gone = machine::service(memory(), with_chat(&[]));
    assert_eq!(get(&gone, "/health").status, 200);
    *gone.host().files.memory.borrow_mut() = Memory::default();
    for body in [json!({}), json!({ "stream": true })] {
        let got = post(&gone, "/query", &asked(body));
        assert_eq!(got.refusal(), (503, "index-unavailable".into()));
    }
    let bad = post(
        &service,
        "/query",
        &asked(json!({ "filter": { "colour": "red" } })),
    );
    assert_eq!(bad.refusal(), (400, "filter".into()));
}

#[test]
fn answer_whose_index_never_comes_ends_at_the_deadline() {
    let settings = [
        ("ANSWER_DEADLINE_MS", "30000"),
        ("SEARCH_TIMEOUT_MS", "5000"),
    ];
    let service = service(memory(), with_chat(&settings));
    assert_eq!(get(&service, "/health").status, 200);
    service.host().files.is_stuck.set(true);
    let got = post(&service, "/query", &asked(json!({ "stream": true })));
    assert_eq!(got.refusal(), (504, "timeout".into()));
    assert_eq!(service.host().clock.get(), 32_000);
}

#[test]
fn secrets_show_nowhere() {
    let settings = with_chat(&[
        ("EMBED_URL", "https://embed.test/v1"),
        ("EMBED_MODEL", "m"),
        ("EMBED_KEY", KEY),
        ("RERANK_URL", "https://rerank.test/v1"),
        ("RERANK_MODEL", "m"),
        ("RERANK_KEY", KEY),
        ("API_TOKENS", TOKEN),
        ("METRICS", "true"),
        ("RATE_LIMIT", "0"),
    ]);
    assert!(!format!("{settings:?}").contains("secret-"));
    let service = service(memory(), settings);
    assert!(!format!("{service:?}").contains("secret-"));
    let bearer = format!("Bearer {TOKEN}");
    let echo = |status| {
        let error = format!(r#"{{"error":{{"message":"bad key {KEY} in Bearer {KEY}"}}}}"#);
        Scripted::Answers(status, vec![error])
    };
    let mut seen = Vec::new();
    for status in [400, 401, 404, 429, 500, 200, 0] {
        for (target, body) in [
            ("/query", asked(json!({}))),
            ("/query", asked(json!({ "stream": true }))),
            ("/query", "{".to_string()),
            ("/embed", r#"{"q":"harbour"}"#.into()),
            ("/search", r#"{"q":"pilot"}"#.into()),
            ("/ui", json!({ "messages": [{ "role": "user", "content": QUESTION }] }).to_string()),
            ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": QUESTION }] }).to_string()),
            ("/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs","arguments":{"query":"a"}}}"#.into()),
        ] {
            // Circuits close again, so that every server is asked.
            service.host().clock.set(service.host().clock.get() + 1_000_000);
            let mut script = service.host().script.borrow_mut();
            script.clear();
            match status {
                // In the middle of an answer.
                0 => {
                    let Scripted::Answers(_, mut pieces) = machine::says("The harbour is wide.")
                    else {
                        unreachable!("an answer")
                    };
                    pieces.truncate(2);
                    let error = json!({ "error": { "message": format!("bad key {KEY}") } });
                    pieces.push(format!("data: {error}\n\n"));
                    script.extend(vec![Scripted::Answers(200, pieces); 12]);
                }
                status => script.extend(vec![echo(status); 12]),
            }
            drop(script);
            let asked = with(request("POST", target, &body), "authorization", &bearer);
            seen.push(ask(&service, &asked));
        }
    }
    for target in [
        "/health",
        "/metrics",
        "/version",
        "/openapi.json",
        "/nowhere",
    ] {
        seen.push(get(&service, target));
    }
    assert!(
        service.host().sent.borrow().len() > 50,
        "the models were asked"
    );
    for got in seen {
        let all = format!("{:?}{}", got.headers, got.body());
        assert!(!all.contains("secret-"), "{all}");
    }
    for line in service.host().lines.borrow().iter() {
        assert!(!line.contains("secret-"), "{line}");
    }
    for (value, _) in service.host().store.borrow().values() {
        assert!(!String::from_utf8_lossy(value).contains("secret-"));
    }
}

/// Bodies that are right, to be made wrong.
fn bodies() -> Vec<(&'static str, String)> {
    let messages = json!([
        { "role": "user", "content": "harbour" },
        { "role": "assistant", "content": [{ "type": "text", "text": "pilot" }] },
        { "role": "user", "parts": [{ "type": "text", "text": "anchor" }] },
    ]);
    let filter = json!({ "lang": ["en"], "year": { "gte": 2016 } });
    let history = json!([{ "role": "user", "content": "harbour" }]);
    let page = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "get_page", "arguments": { "chunk": 3, "offset": 1 } } });
    let found = json!({ "jsonrpc": "2.0", "id": "x", "method": "tools/call",
        "params": { "name": "search_docs", "arguments": { "query": "ferry", "filter": filter } } });
    let search = json!({ "q": "harbour pilot", "limit": 3, "offset": 2, "filter": filter,
        "facets": ["tags"], "alpha": 0.5, "explain": true, "text": true, "mode": "hybrid" });
    let query =
        json!({ "question": "harbour", "history": history, "filter": filter, "stream": true });
    let chat = json!({ "messages": messages, "stream": true, "model": "m", "filter": filter });
    [
        ("/search", search),
        ("/query", query),
        ("/v1/chat/completions", chat),
        ("/ui", json!({ "messages": messages })),
        ("/mcp", page),
        ("/mcp", found),
        ("/feedback", json!({ "rating": "up", "comment": "x" })),
        ("/embed", json!({ "q": "harbour" })),
    ]
    .map(|(target, body)| (target, body.to_string()))
    .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_sent_is_answered_and_tells_no_secret(
        which in 0..8usize,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..4),
        query in "[ -~]{0,40}",
        header in "[ -~]{0,60}",
        origin in "[ -~]{0,40}",
    ) {
        thread_local! {
            static SERVICE: Service<Machine> = service(
                memory(),
                embedding_config(&[
                    ("CHAT_URL", "https://models.test/v1"),
                    ("CHAT_MODEL", "the-model"),
                    ("CHAT_KEY", KEY),
                    ("RATE_LIMIT", "0"),
                ]),
            );
        }
        let (target, body) = bodies().swap_remove(which);
        let mut body = body.into_bytes();
        for (at, byte, what) in cuts {
            let at = at.index(body.len().max(1)).min(body.len());
            match what {
                0 => body.truncate(at),
                1 => body.insert(at, byte),
                2 => { body.splice(at..body.len().min(at + 3), b"[9e9".iter().copied()); }
                _ => if let Some(place) = body.get_mut(at) { *place = byte; },
            }
        }
        let mut asked = request("POST", target, "");
        asked.body = body;
        asked = with(with(asked, "authorization", &header), "x-request-id", &header);
        if origin.len() > 20 {
            asked = with(asked, "origin", &origin);
        }
        SERVICE.with(|service| {
            for asked in [asked.clone(), Request { method: "GET".into(), query, ..asked }] {
                service.host().lines.borrow_mut().clear();
                let got = ask(service, &asked);
                prop_assert!([200, 202, 204, 400, 403, 404, 405, 503].contains(&got.status), "{}", got.status);
                let all = format!("{:?}{}{:?}", got.headers, got.body(), service.host().lines.borrow());
                prop_assert!(!all.contains("secret-"), "{all}");
                let lines = service.host().lines.borrow();
                let is_json = |line: &String| serde_json::from_str::<Json>(line).is_ok();
                prop_assert!(!lines.is_empty() && lines.iter().all(is_json));
            }
            Ok(())
        })?;
    }
}
