//! Answers in every format, kept, paid for, broken off.

use super::*;

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
    for (name, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("openai")),
        ("gen_ai.request.model", json!("the-model")),
        ("gen_ai.usage.input_tokens", json!(100)),
        ("gen_ai.usage.output_tokens", json!(20)),
        ("server.address", json!("models.test")),
        ("error.type", Json::Null),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
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
    let line = &log(&service)[1];
    assert_eq!(line["cache"], "hit");
    let names = line.as_object().expect("an object").keys();
    assert!(
        !names.into_iter().any(|name| name.starts_with("gen_ai.")),
        "{line}"
    );
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
    let line = &log(&service)[0];
    assert_eq!(line["error.type"], "unreachable", "{line}");
    assert_eq!(line["gen_ai.operation.name"], "chat");
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
fn question_that_means_the_same_gets_the_answer_that_is_kept() {
    let near = |x: f32| {
        let mut row = [0.5; support::DIM];
        row[0] = x;
        embedding(&support::unprojected(&row))
    };
    let settings = [
        ("EMBED_URL", "https://embed.test/v1"),
        ("EMBED_MODEL", "embedder"),
        ("SIMILARITY", "0.99"),
        ("DAILY_TOKENS", "1000000"),
    ];
    let service = service(memory(), with_chat(&settings));
    let sent = || service.host().sent.borrow().len();
    let query = |question: &str, embedding: Scripted, says: Option<&str>| {
        let mut script = service.host().script.borrow_mut();
        script.clear();
        script.push_back(embedding);
        script.extend(says.map(machine::says));
        drop(script);
        let body = json!({ "question": question }).to_string();
        post(&service, "/query", &body).json()
    };
    let first = query(QUESTION, near(0.5), Some(SAID));
    assert_eq!(
        (&first["outcome"], &first["cached"]),
        (&json!("answered"), &Json::Null)
    );
    assert_eq!(sent(), 2, "embedded once, for both");
    let other = "Where is the anchor of the harbour pilot?";
    let second = query(other, near(0.51), None);
    assert_eq!(sent(), 3, "embedded");
    assert_eq!(
        (&second["cached"], &second["cached_question"]),
        (&json!("similar"), &json!(QUESTION))
    );
    assert_eq!(second["answer"], first["answer"]);
    let line = log(&service).pop().expect("a line");
    assert_eq!(line["cache"], "similar");
    assert!(line["gen_ai.usage.input_tokens"].is_null());
    // In other words, by other numbers, under another filter.
    let third = query(
        "Where does pilot 7 of the harbour anchor?",
        near(0.5),
        Some(SAID),
    );
    assert_eq!(
        (&third["cached"], &third["outcome"]),
        (&Json::Null, &json!("answered"))
    );
    let third = query("Where does the river run?", near(-3.0), Some(SAID));
    assert_eq!(third["cached"], Json::Null);
    let filtered = json!({ "question": other, "filter": { "lang": "en" }, "stream": true });
    say(&service, SAID);
    let got = post(&service, "/query", &filtered.to_string());
    assert_ne!(got.data()[0]["type"], "cached");
    let got = post(
        &service,
        "/query",
        &json!({ "question": other, "stream": true }).to_string(),
    );
    let told = got.data();
    assert_eq!(
        (&told[0]["type"], &told[0]["question"]),
        (&json!("cached"), &json!(QUESTION))
    );
    // The answer is no longer kept.
    service
        .host()
        .store
        .borrow_mut()
        .retain(|key, _| !key.starts_with("answer/"));
    let last = query(other, near(0.51), None);
    assert_eq!(last["cached"], Json::Null, "{last}");
}
