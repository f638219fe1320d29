//! `/search`, `/health` and the index that stays open: what they give and refuse.

use super::*;

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
fn sections_of_a_page_lead_to_their_headings() {
    let memory = support::memory(&support::long_documents(12, 7), support::RANGE);
    let service = service(memory, Config::default());
    let plain = get(&service, "/search?q=harbour+pilot").json();
    let got = get(&service, "/search?q=harbour+pilot&sections=2");
    assert_eq!(got.status, 200, "{}", got.body());
    let mut body = got.json();
    let mut count = 0;
    for hit in body["hits"].as_array_mut().expect("hits") {
        let found = hit.as_object_mut().expect("a hit").remove("sections");
        let sections = found.as_ref().and_then(Json::as_array);
        for section in sections.into_iter().flatten() {
            assert_eq!((&section["id"], &section["url"]), (&hit["id"], &hit["url"]));
            assert_ne!(section["anchor"], hit["anchor"]);
            assert!(section["headings"][0].is_string() && section["chunk"].is_u64());
            assert!(section["excerpt"]["marks"].is_array() && section["score"].is_f64());
            count += 1;
        }
        assert!(sections.is_none_or(|sections| (1..=2).contains(&sections.len())));
    }
    assert!(count > 3, "{count}");
    assert_eq!(body["hits"], plain["hits"]);
    let posted = post(&service, "/search", r#"{"q":"harbour","sections":1}"#);
    assert!(posted.json()["hits"][0]["sections"].is_array());
}

#[test]
fn nothing_found_comes_with_words_that_are_there_or_the_filter() {
    let service = searching();
    let lacking = get(&service, "/search?q=oer&mode=keyword").json();
    assert_eq!(lacking["suggestions"], json!(["oar"]));
    assert!(lacking["filteredOut"].is_null());
    let filter = "%7B%22year%22%3A1%7D";
    let filtered = get(&service, &format!("/search?q=harbour&filter={filter}")).json();
    assert_eq!(
        (&filtered["total"], &filtered["filteredOut"]),
        (&json!(0), &json!(true))
    );
    assert!(filtered["suggestions"].is_null());
    let found = get(&service, "/search?q=harbour").json();
    assert!(found["suggestions"].is_null() && found["filteredOut"].is_null());
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
        ("GET", "/search?q=a&sections=6", "", 400, "bad-request"),
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
    let service = searching();
    assert_eq!(get(&service, "/health").status, 200);
    let machine = service.host();
    machine.is_frozen.set(true);
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
