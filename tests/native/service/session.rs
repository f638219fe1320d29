//! Tokens of visitors, and the challenge that they pass for one.

use super::*;

const SECRET: &str = "secret-of-sessions-0123456789abcdef";

const PASSED: &str = r#"{"success":true,"error-codes":[],"hostname":"docs.example.com"}"#;

fn sessions(others: &[(&str, &str)]) -> Service<Machine> {
    // The first of a name counts.
    let mut all = others.to_vec();
    all.extend([
        ("SESSION_SECRET", SECRET),
        ("SESSION_SECONDS", "600"),
        (
            "ALLOW_ORIGIN",
            "https://docs.example.com https://other.example.com",
        ),
        ("API_TOKENS", TOKEN),
        ("EMBED_URL", "https://embed.test/v1"),
        ("EMBED_MODEL", "embedder"),
    ]);
    service(memory(), with_chat(&all))
}

/// A request of a page.
fn page(target: &str, body: &str) -> Request {
    with(request("POST", target, body), "origin", ORIGIN)
}

fn bearing(request: Request, token: &str) -> Request {
    with(request, "authorization", &format!("Bearer {token}"))
}

fn token(service: &Service<Machine>) -> String {
    let got = ask(service, &page("/session", ""));
    assert_eq!(got.status, 200, "{}", got.body());
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(got.json()["expires_in"], 600);
    got.json()["token"].as_str().expect("a token").into()
}

#[test]
fn what_costs_money_wants_a_session_or_a_token() {
    let service = sessions(&[]);
    let message = json!([{ "role": "user", "content": QUESTION }]);
    let messages = json!({ "messages": message }).to_string();
    let costly = [
        ("/query", asked(json!({}))),
        ("/v1/chat/completions", messages.clone()),
        ("/ui", messages),
        ("/embed", json!({ "q": "harbour" }).to_string()),
    ];
    for (target, body) in &costly {
        let got = ask(&service, &page(target, body));
        let code = got.json()["error"]["code"].clone();
        assert_eq!(
            (got.status, code),
            (401, json!("session-missing")),
            "{target}"
        );
        assert_eq!(got.header("www-authenticate"), "Bearer");
        assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
        let program = request("POST", target, body);
        assert_eq!(
            ask(&service, &program).status,
            401,
            "a program shows its token"
        );
        // Without a model that answers: what passed is degraded or unavailable.
        let got = ask(&service, &bearing(program, TOKEN));
        assert!([200, 503].contains(&got.status), "{target} {}", got.body());
    }
    let token = token(&service);
    for (target, body) in &costly {
        let got = ask(&service, &bearing(page(target, body), &token));
        assert!([200, 503].contains(&got.status), "{target} {}", got.body());
    }
    // Others are as before.
    assert_eq!(
        ask(&service, &page("/search", r#"{"q":"harbour"}"#)).status,
        200
    );
    let feedback = page("/feedback", r#"{"rating":"up"}"#);
    assert_eq!(ask(&service, &feedback).status, 204);
}

#[test]
fn sessions_are_bound_to_page_client_and_time() {
    let service = sessions(&[]);
    let token = token(&service);
    let query = page("/query", &asked(json!({})));
    let refused = |request: Request, token: &str| {
        let got = ask(&service, &bearing(request, token));
        got.refusal()
    };
    let invalid = (401, "session-invalid".to_string());
    let mut foreign = query.clone();
    foreign.headers[0].1 = "https://other.example.com".into();
    assert_eq!(refused(foreign, &token), invalid);
    let mut foreign = query.clone();
    foreign.client = "192.0.2.2".into();
    assert_eq!(refused(foreign, &token), invalid);
    let parts: Vec<&str> = token.split('.').collect();
    let [version, expiry, mac] = parts[..] else {
        panic!("{token}");
    };
    let later = expiry.parse::<u64>().expect("seconds") + 1;
    let other = if mac.starts_with('A') { "B" } else { "A" };
    for forged in [
        format!("{version}.{later}.{mac}"),
        format!("{version}.{expiry}.{other}{}", &mac[1..]),
        format!("{version}.{expiry}.{}", &mac[..mac.len() - 2]),
        format!("{version}.{expiry}."),
        format!("{version}.{expiry}"),
        format!("v2.{expiry}.{mac}"),
        "v1..".into(),
        "x".repeat(10_000),
    ] {
        assert_eq!(refused(query.clone(), &forged), invalid, "{forged}");
    }
    // Made with another secret.
    let elsewhere = sessions(&[("SESSION_SECRET", "another-0123456789abcdef0123456789")]);
    assert_eq!(
        ask(&elsewhere, &bearing(query.clone(), &token)).refusal(),
        invalid
    );
    let clock = &service.host().clock;
    clock.set(clock.get() + 599_000);
    assert_eq!(ask(&service, &bearing(query.clone(), &token)).status, 200);
    clock.set(clock.get() + 1_000);
    assert_eq!(refused(query, &token), (401, "session-expired".into()));
}

#[test]
fn search_embeds_by_the_model_for_sessions_alone() {
    let service = sessions(&[]);
    let row = support::unprojected(&[0.5; support::DIM]);
    let search = with(request("GET", "/search?q=harbour", ""), "origin", ORIGIN);
    let got = ask(&service, &search);
    assert_eq!((got.status, got.header("coracle-degraded")), (200, ""));
    assert_eq!(got.header("vary"), "origin, authorization");
    assert!(service.host().sent.borrow().is_empty());
    let token = token(&service);
    let script = &service.host().script;
    script.borrow_mut().push_back(embedding(&row));
    let got = ask(&service, &bearing(search, &token));
    assert_eq!((got.status, got.header("coracle-degraded")), (200, ""));
    assert_eq!(service.host().sent.borrow().len(), 1);
    let preflight = with(request("OPTIONS", "/search", ""), "origin", ORIGIN);
    let allowed = "access-control-allow-headers";
    assert_eq!(
        ask(&service, &preflight).header(allowed),
        "content-type, authorization"
    );
}

#[test]
fn sessions_are_for_pages_that_may_ask() {
    let service = sessions(&[]);
    let session = request("POST", "/session", "");
    let evil = with(session.clone(), "origin", "https://evil.example");
    assert_eq!(ask(&service, &evil).refusal(), (403, "origin".into()));
    assert_eq!(
        ask(&service, &session).refusal(),
        (401, "unauthorized".into())
    );
    assert_eq!(
        ask(&service, &page("/session", "{\"q\":1}")).refusal().0,
        400
    );
    assert_eq!(get(&service, "/session").refusal().0, 405);
    assert_eq!(
        get(&searching(), "/session").refusal().0,
        404,
        "none are made"
    );
    let paths = get(&service, "/openapi.json").json()["paths"].clone();
    assert_eq!(paths["/session"]["post"]["requestBody"]["required"], false);
}

#[test]
fn session_wants_a_challenge_passed_where_turnstile_is_set() {
    let service = sessions(&[("TURNSTILE_SECRET", "secret-of-the-challenge")]);
    let passing = |response: &str| page("/session", &json!({ "turnstile": response }).to_string());
    let got = ask(&service, &page("/session", ""));
    assert_eq!(got.refusal(), (401, "turnstile-missing".into()));
    let script = |status, body: &str| {
        let says = Scripted::Answers(status, vec![body.into()]);
        service.host().script.borrow_mut().push_back(says);
    };
    script(200, PASSED);
    let got = ask(&service, &passing("said-by-the-widget"));
    assert_eq!(got.status, 200, "{}", got.body());
    {
        let sent = service.host().sent.borrow();
        let [request] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(
            request.url,
            "https://challenges.cloudflare.com/turnstile/v0/siteverify"
        );
        let body: Json = serde_json::from_str(&request.body).expect("JSON");
        assert_eq!(body["secret"], "secret-of-the-challenge");
        assert_eq!(
            (&body["response"], &body["remoteip"]),
            (&json!("said-by-the-widget"), &json!("192.0.2.1"))
        );
        let once = body["idempotency_key"].as_str().expect("a UUID");
        let lengths: Vec<usize> = once.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{once}");
    }
    let elsewhere = PASSED.replace("docs.example.com", "evil.example");
    script(200, &elsewhere);
    let got = ask(&service, &passing("of-another-page"));
    assert_eq!(got.refusal(), (401, "turnstile-elsewhere".into()));
    let used = r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#;
    script(200, used);
    assert_eq!(
        ask(&service, &passing("used")).refusal(),
        (401, "turnstile-failed".into())
    );
    let unavailable = (503, "turnstile-unavailable".to_string());
    let unset = r#"{"success":false,"error-codes":["invalid-input-secret"]}"#;
    let echo = r#"{"error":{"message":"secret-of-the-challenge is unknown"}}"#;
    for (status, body) in [(200, unset), (200, "<html>"), (403, echo)] {
        script(status, body);
        assert_eq!(
            ask(&service, &passing("said")).refusal(),
            unavailable,
            "{body}"
        );
    }
    assert_eq!(
        ask(&service, &passing("said")).refusal(),
        unavailable,
        "no connection"
    );
    assert_eq!(ask(&service, &passing(&"x".repeat(2049))).refusal().0, 400);
    let lines = log(&service);
    assert!(
        lines
            .iter()
            .any(|line| line["error"] == "turnstile: invalid-input-secret")
    );
    assert!(!format!("{lines:?}").contains("secret-of"), "{lines:?}");
    assert!(!format!("{service:?}").contains("secret-of"));
}
