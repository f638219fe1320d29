//! Keys and tokens show nowhere, whatever is sent.

use super::*;

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
